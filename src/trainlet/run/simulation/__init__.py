"""Many experiments with one program: their data, their step, their state."""
