"""Fleets: devices with compiled trainers learn together, and their data stay on them."""
