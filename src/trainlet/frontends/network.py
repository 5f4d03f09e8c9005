"""A forward graph from a file or from torch's own objects, compared with these."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from trainlet.errors import FileError, TrainletError, shown
from trainlet.frontends.archive import read_archive
from trainlet.frontends.calibration import example_inputs as float_inputs
from trainlet.frontends.gradcheck import check_gradients
from trainlet.frontends.mcunet import load_mcunet
from trainlet.frontends.onnx import import_onnx
from trainlet.frontends.quantized import Network
from trainlet.frontends.selfcheck import check_import
from trainlet.frontends.sizes import check_graph, check_module, check_program
from trainlet.frontends.tflite import import_tflite
from trainlet.frontends.torch import example_inputs, export_module, imported
from trainlet.ir.arguments import whole
from trainlet.ir.graph import Graph
from trainlet.ops.objective import Loss
from trainlet.ops.verify import verify
from trainlet.passes.training_head import logits_and_probabilities
from trainlet.progress import stage

Model = Network | str | Path
MOST_BATCH = MOST_CLASSES = 1 << 16


def import_module(
    model: torch.nn.Module,
    example: Sequence[torch.Tensor],
    check: bool = True,
    admit: Callable[[Graph], object] = verify,
    losses: Sequence[Loss] | None = None,
) -> Graph:
    """The forward graph of a module, for inputs like the example.

    check: compare it with the module (see `selfcheck`)
    admit: called with the graph before; raises what it does not admit
    losses: outputs that none of these reads are left out; None for all

    Raises UnsupportedError for what cannot be compiled or differs, DataError for weights that hold
    NaN or infinity.
    """
    found = imported(check_program(export_module(model, example)), losses)
    admit(found.graph)
    if check:
        check_import(found, model, example)
        check_gradients(model, found.program, example)
    return found.graph


def import_exported(
    program: ExportedProgram,
    check: bool = True,
    admit: Callable[[Graph], object] = verify,
    losses: Sequence[Loss] | None = None,
) -> Graph:
    """The forward graph of an exported program; arguments and errors as of `import_module`."""
    found = imported(program, losses)
    admit(found.graph)
    if check:
        check_import(found, program, example_inputs(program))
    return found.graph


def load(
    path: str | Path, classes: int | None = None, *, batch: int | None = None, check: bool = True
) -> Graph:
    """The forward graph of a network in a file.

    .pt2:    as torch.export.save writes it
    .onnx:   float32, or int8 as QDQ or QOperator; opsets 6 to 28
    .tflite: int8 or float32
    .npz:    an int8 backbone of Lin et al., 2022, with a new head of `classes` outputs

    batch: the size of a first dimension that an .onnx file leaves open; None for 1
    check: compare the graph of a .pt2 file with what torch computes, and that of an .onnx file with
    what onnxruntime computes

    A softmax at the end of an .onnx or .tflite file becomes a second output, `probabilities`, and
    `logits` what it reads, as cross_entropy wants it.

    Raises FileError for a file that cannot be trusted or read, UnsupportedError for a network
    that cannot be compiled.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise FileError(
            f"{shown(path)} is not a path; allowed: the path of a .pt2, .onnx, .tflite or .npz file"
        )
    path = Path(path)
    if path.suffix == ".npz":
        if classes is None:
            raise FileError(f"{path}: a backbone needs a head; call load(path, classes=...)")
        return load_mcunet(path, whole("classes", classes, 1, MOST_CLASSES, FileError))
    if classes is not None:
        raise FileError(f"{path}: `classes` applies only to an .npz backbone; leave it out")
    if path.suffix == ".onnx":
        size = None if batch is None else whole("batch", batch, 1, MOST_BATCH, FileError)
        return _for_losses(import_onnx(path, size, check))
    if batch is not None:
        raise FileError(f"{path}: `batch` applies only to an .onnx file; leave it out")
    if path.suffix == ".tflite":
        return _for_losses(import_tflite(path))
    if path.suffix != ".pt2":
        allowed = ".pt2, .onnx, .tflite, .npz"
        raise FileError(f"{path}: unknown kind of file {path.suffix!r}; allowed: {allowed}")
    return import_exported(read_archive(path), check)


def _for_losses(graph: Graph) -> Graph:
    """The graph of a file with logits and probabilities apart; an integer one waits for
    `training_head`."""
    integers = any(n.type.dtype == "int8" for n in graph.nodes())
    return graph if integers else logits_and_probabilities(graph)


def import_network(
    network: Network,
    example_inputs: Any = None,
    check: bool = False,
    admit: Callable[[Graph], object] = verify,
    losses: Sequence[Loss] | None = None,
) -> Graph:
    """The float forward graph of a network, or the graph itself; `check` compares it with torch.

    admit: called with the graph before it is compared; raises what it does not admit
    losses: outputs that none of these reads are left out; None for all
    """
    stage("load")
    if isinstance(network, Graph):
        admit(network)
        return network
    if isinstance(network, ExportedProgram):
        return import_exported(network, check, admit, losses)
    return import_module(network, float_inputs(example_inputs), check, admit, losses)


def opened(model: Model) -> Network:
    """What a model is, or the file of a model holds; raises TrainletError for anything else."""
    if isinstance(model, (str, Path)):
        path = Path(model)
        return read_archive(path) if path.suffix == ".pt2" else load(path)
    if isinstance(model, Graph):
        return check_graph(model)
    if isinstance(model, ExportedProgram):
        return check_program(model)
    return check_module(check_model(model))


def parameter_names(network: Network) -> Collection[str] | None:
    """All parameters of a network, shared ones by each of their names; None of a graph, which has
    only those that it reads."""
    if isinstance(network, torch.nn.Module):
        return {name for name, _ in network.named_parameters(remove_duplicate=False)}
    return set(network.state_dict) if isinstance(network, ExportedProgram) else None


def check_model(model: Any) -> torch.nn.Module:
    """The model itself; raises TrainletError unless it is a torch.nn.Module."""
    if isinstance(model, torch.nn.Module):
        return model
    found = f"a {type(model).__name__}"
    hint = ""
    if isinstance(model, type):
        found, hint = f"the class {model.__name__}", f"; pass an instance: {model.__name__}(...)"
    elif isinstance(model, dict):
        hint = "; of a state_dict, pass the network: net = Net(); net.load_state_dict(...)"
    raise TrainletError(
        f"the model is {found}; allowed: a torch.nn.Module, an ExportedProgram, the path of a .pt2 "
        f"file, or what trainlet.load returns{hint}"
    )
