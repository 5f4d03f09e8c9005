"""Where each buffer lies: first and best fit, backtracking, constraint programming."""
