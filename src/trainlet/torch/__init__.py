"""What Trainlet has for training in PyTorch itself."""

from trainlet.torch.saved import saved_bytes

__all__ = ["saved_bytes"]
