"""What a trained device needs around its trainer, in C and in Python."""

from trainlet.life.store import DRIVERS, write_store

__all__ = ["DRIVERS", "write_store"]
