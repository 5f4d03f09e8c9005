"""A training step as a graph of ATen operators, which PyTorch runs, compiles or packages."""
