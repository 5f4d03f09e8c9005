"""Who learns: each function takes the model and gives an UpdateScheme."""

from trainlet.schemes.presets import bias, full, last, lora, norm, preset, tinytl

__all__ = ["bias", "full", "last", "lora", "norm", "preset", "tinytl"]
