"""Training in PyTorch itself, with fewer bytes kept for the backward pass."""

from trainlet.torch.block_trainer import BlockTrainer
from trainlet.torch.save_memory import Kept, MemorySaving, restore, save_memory
from trainlet.torch.saved import saved_bytes

__all__ = ["BlockTrainer", "Kept", "MemorySaving", "restore", "save_memory", "saved_bytes"]
