"""Against LiteRT's reference kernels, element by element."""
