"""A chain of element-wise operations as one operator: one loop, and nothing stored between."""

from trainlet.ops.fused import record

__all__ = ["record"]
