"""From a planned program to C, and from C to firmware."""
