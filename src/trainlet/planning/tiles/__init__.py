"""Layers that run together, a few rows of their maps at a time."""
