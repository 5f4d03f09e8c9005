"""A forward graph from torch's own objects, compared with them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.export import ExportedProgram

from trainlet.frontends.selfcheck import check_import
from trainlet.frontends.torch import example_inputs, export_module, imported
from trainlet.ir.graph import Graph


def import_module(
    model: torch.nn.Module, example: Sequence[torch.Tensor], check: bool = True
) -> Graph:
    """The forward graph of a module, for inputs like the example.

    check: compare it with the module (see `selfcheck`)

    Raises UnsupportedError for what cannot be compiled or differs, DataError for weights that hold
    NaN or infinity.
    """
    found = imported(export_module(model, example))
    if check:
        check_import(found, model, example)
    return found.graph


def import_exported(program: ExportedProgram, check: bool = True) -> Graph:
    """The forward graph of an exported program; arguments and errors as of `import_module`."""
    found = imported(program)
    if check:
        check_import(found, program, example_inputs(program))
    return found.graph
