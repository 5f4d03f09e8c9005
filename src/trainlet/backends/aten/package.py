"""Packages of AOTInductor: compiled once, they run from Python and C++ without autograd."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from trainlet.backends.aten.module import Traced
from trainlet.errors import ToolchainError

OPTIONS = {"freezing": True}


def write_package(traced: Traced, path: Path) -> None:
    """A .pt2 file of a graph; takes a minute or more.

    Its inputs are the values of `traced.leaves`, in order; it overwrites those that learn.
    Raises ToolchainError where Inductor fails, such as for want of a C++ compiler.
    """
    with torch.no_grad():
        fed = tuple(traced.placement.empty(n) for n in traced.leaves)
        try:
            exported = torch.export.export(traced.module, fed, strict=False)
            torch._inductor.aoti_compile_and_package(
                exported, package_path=str(path), inductor_configs=OPTIONS
            )
        except Exception as error:  # of any part of it
            raise ToolchainError(
                f"Inductor cannot compile the package {path.name}: {error}; it needs a C++ "
                "compiler (set CXX), and build('eager') needs none"
            ) from error


def load_package(path: Path) -> Callable[..., tuple[Tensor, ...]]:
    """The function that a package has."""
    return torch._inductor.aoti_load_package(str(path))
