"""Passes that fuse operations without changing a bit: updates, lookup tables and element-wise
loops."""
