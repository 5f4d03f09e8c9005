"""From a float network to an integer graph, by way of torchao's PT2E quantisation.

Export, prepare, calibrate (or train), convert: torchao's part, here.  What it returns still
computes in floats between quantize and dequantize; `frontends.integers` makes the graph of it.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule

from trainlet.errors import DataError, ToolchainError, TrainletError
from trainlet.frontends.calibration import (
    Progress,
    calibrate,
    calibration_batches,
    example_inputs,
)
from trainlet.frontends.captured import (
    captured,
    has_statistics,
    keep_unfoldable,
    make_norms_usual,
)
from trainlet.frontends.folding import fold_norms, show_norms, training_names, usual_norms
from trainlet.frontends.integers import Conversion, operator
from trainlet.frontends.integers_check import check_conversion
from trainlet.frontends.selfcheck import check_captured
from trainlet.frontends.terms import Names
from trainlet.ir.graph import Graph
from trainlet.ops.objective import Loss
from trainlet.ops.quantized.precision import CALIBRATIONS

Train = Callable[[torch.nn.Module], Any]
TRAINING_AT = {"batch_norm": 5, "dropout": 2, "feature_dropout": 2}
"""Where an operator's arguments tell whether the network is training."""


@dataclass(frozen=True)
class Converted:
    """torchao's result: fake-quantised, in torch's own operators.

    inputs: their names and shapes in the graph to be made, in the order of `forward`
    names:  of the parameters of layers, batch norms folded
    outputs: the names of what the module returns
    """

    module: GraphModule
    inputs: Mapping[str, tuple[int, ...]]
    names: Names
    outputs: tuple[str, ...]


def quantize_module(
    model: torch.nn.Module | ExportedProgram,
    example: Any,
    calibration: Sequence[Any],
    method: str = "minmax",
    qat: Train | None = None,
    *,
    float_head: bool = True,
    trained: Collection[str] = (),
    progress: Progress | None = None,
    check: bool = True,
    losses: Sequence[Loss] | None = None,
) -> Graph:
    """The integer forward graph of a float network.

    example:     one input (or a tuple of them) of the shape that the graph shall have
    calibration: batches of inputs that show the range of every activation, of any batch size
    method:      "minmax", or "mse" for the ranges of least squared error
    qat:         trains the fake-quantised network that it is given, in place; its ranges follow
                 moving averages, whatever the method
    float_head:  the classifier (the last layer with a weight before each output) stays float32
    progress:    is called with (batches done, batches in all)
    check:       whether what is quantised is compared with torch, then each operator of integers
    losses:      outputs that none of these reads are left out; None for all

    Parameters keep torch's names and terms: a weight that a batch norm was folded into is called as
    the layer's, its bias as the layer's own or else as the batch norm's.  What has no integer form
    is computed in float32 between dequantize and quantize.  The model is left as it is.

    Raises DataError for batches that cannot be used, UnsupportedError for a network that cannot
    be compiled, ToolchainError without torchao.
    """
    converted = convert_module(
        model, example, calibration, method, qat,
        float_head=float_head, trained=trained, progress=progress, check=check, losses=losses,
    )  # fmt: skip
    conversion = Conversion(converted.module, converted.inputs, converted.names, converted.outputs)
    graph = conversion.run()
    if check:
        check_conversion(conversion, graph, example_inputs(example))
    return graph


def convert_module(
    model: torch.nn.Module | ExportedProgram,
    example: Any,
    calibration: Sequence[Any],
    method: str = "minmax",
    qat: Train | None = None,
    *,
    float_head: bool = True,
    trained: Collection[str] = (),
    progress: Progress | None = None,
    check: bool = True,
    losses: Sequence[Loss] | None = None,
) -> Converted:
    """torchao's quantised network; arguments and errors as of `quantize_module`."""
    if method not in CALIBRATIONS:
        raise TrainletError(f"calibration method {method!r}; allowed: {', '.join(CALIBRATIONS)}")
    inputs = example_inputs(example)
    batches = calibration_batches(calibration, inputs)
    with _quietly():
        flow = _torchao()
        found = captured(model, inputs, losses)
        module = found.module
        usual_norms(module)
        quantizer = flow.Int8Quantizer(method, qat is not None, float_head)
        if qat is None:
            names = fold_norms(module, quantizer.heads(module), trained)
        else:
            keep_unfoldable(module)
            names = training_names(module)
            make_norms_usual(module)
        if check:
            check_captured(model, module, inputs, found.outputs)
        if qat is None:
            module = flow.prepare_pt2e(module, quantizer)
        else:
            module = _switch(flow.prepare_qat_pt2e(module, quantizer), False)
    calibrate(module, batches, found.batch_size, progress)
    if qat is not None:
        _train(module, qat)
    with _quietly():
        module = flow.convert_pt2e(module, fold_quantize=False)
        show_norms(module)
    shapes = {name: tuple(x.shape) for name, x in zip(found.inputs, inputs, strict=True)}
    return Converted(module, shapes, names, found.outputs)


def _torchao() -> Any:
    try:
        from trainlet.frontends import torchao_flow
    except ImportError as error:
        raise ToolchainError(
            f"int8 quantisation of a PyTorch network needs torchao ({error}); install it with "
            "pip install 'trainlet[int8]'"
        ) from error
    return torchao_flow


@contextmanager
def _quietly() -> Iterator[None]:
    """torchao warns of GPU libraries that nobody here asks for."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _train(module: GraphModule, train: Train) -> None:
    """`train()` and `eval()` of the module work as of any other while the user trains it."""
    changed: Any = module
    changed.train = lambda mode=True: _switch(module, mode)
    changed.eval = lambda: _switch(module, False)
    train(_switch(module, True))
    _switch(module, False)
    del changed.train, changed.eval
    if not all(bool(torch.isfinite(p).all()) for p in module.parameters()):
        raise DataError(
            "the training produced NaN or infinity in a parameter; lower the learning rate"
        )


def _switch(module: GraphModule, training: bool) -> GraphModule:
    """A captured network trains where its operators' arguments say so."""
    for n in module.graph.nodes:
        if operator(n) == "batch_norm" and not has_statistics(n):
            continue  # it has one way of working
        if operator(n) in TRAINING_AT:
            n.update_arg(TRAINING_AT[operator(n)], training)
    module.recompile()
    return module
