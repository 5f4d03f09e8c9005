"""Learning new classes from a few examples: the tasks, the methods and how they are measured."""
