"""Attacks on messages, each from its paper, and adapted to what the device is known to do."""
