"""Trainlet: a pretrained network, an update scheme and a memory budget become a C trainer.

The public names are those of `trainlet.api`, which is imported when the first of them is used: so
the command line can answer Ctrl-C before torch is there.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainlet.api import *  # noqa: F403

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "__all__" or not name.startswith("__"):
        api = import_module("trainlet.api")
        globals().update((public, getattr(api, public)) for public in api.__all__)
        globals()["__all__"] = api.__all__
        if name in globals():
            return globals()[name]
    raise AttributeError(f"module 'trainlet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *import_module("trainlet.api").__all__})
