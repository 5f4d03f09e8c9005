"""A device's days: what it sees on each, how it learns, and what it can at the end."""
