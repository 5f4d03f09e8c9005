"""Small trained additions to a frozen network: rewrites of the graph before it is trained."""

from trainlet.adapt.lora import lora
from trainlet.adapt.merge import merge

__all__ = ["lora", "merge"]
