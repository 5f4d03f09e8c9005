"""A loop as one operator: its body runs once for each slice of its stacked inputs."""

from trainlet.ops.repeat import record

__all__ = ["record"]
