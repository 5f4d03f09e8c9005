"""Functions for autograd that keep no more than their backward pass reads."""
