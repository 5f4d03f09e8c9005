"""Many experiments with one program at once."""
