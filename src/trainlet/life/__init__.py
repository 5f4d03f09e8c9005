"""What a trained device needs around its trainer, in C and in Python."""

from trainlet.life.library import PARTS, write_library
from trainlet.life.replay import Replay

__all__ = ["PARTS", "Replay", "write_library"]
