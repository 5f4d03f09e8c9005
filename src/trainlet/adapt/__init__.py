"""Small trained additions to a frozen network: rewrites of the graph before it is trained."""

from trainlet.adapt.cosine_head import cosine_head
from trainlet.adapt.lora import lora
from trainlet.adapt.merge import merge
from trainlet.adapt.spare_classes import spare_classes
from trainlet.adapt.tinytl import tinytl

__all__ = ["cosine_head", "lora", "merge", "spare_classes", "tinytl"]
