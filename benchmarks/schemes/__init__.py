"""The parts of scheme_accuracy.py: tasks, methods, the study itself, and what it prints."""
