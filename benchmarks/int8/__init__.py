"""The parts of int8_accuracy.py: data sets, methods, the study itself, and what it prints."""
