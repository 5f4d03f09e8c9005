"""The integer forward graph of what `compile` takes as a network."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch.export import ExportedProgram

from trainlet.errors import DataError, TrainletError
from trainlet.frontends.pt2e import quantize_module
from trainlet.frontends.torch import example_inputs as shown_inputs
from trainlet.ir.graph import Graph
from trainlet.ops.objective import Loss
from trainlet.ops.quantized.precision import Int8
from trainlet.passes.training_head import training_head

Network = torch.nn.Module | ExportedProgram | Graph


def integer_precision(precision: str | Int8 | None, network: Network) -> Int8 | None:
    """How integers are trained; None for float32.  No precision is that of the network."""
    if precision not in (None, "float32", "int8") and not isinstance(precision, Int8):
        raise TrainletError(f"precision {precision!r}; allowed: 'float32', 'int8', or an Int8")
    if isinstance(network, Graph):
        integers = any(n.type.dtype == "int8" for n in network.nodes())
        if integers and precision == "float32":
            raise TrainletError("precision='float32' for an int8 network; leave it out")
        if not integers and precision not in (None, "float32"):
            raise TrainletError(
                "precision='int8' for a loaded float32 graph; pass the torch.nn.Module or the path "
                "of its .pt2 file with `calibration`, or an int8 .tflite or .onnx file"
            )
        precision = precision or ("int8" if integers else None)
    if isinstance(precision, Int8):
        return precision
    return Int8() if precision == "int8" else None


def check_calibration(network: Network, integer: Int8 | None, calibration: Any) -> None:
    """Calibration goes with a float network that is to be quantised, and with nothing else."""
    if integer is None and calibration is not None:
        raise TrainletError("calibration needs precision='int8'; leave it out, or give both")
    if integer is not None and calibration is None and not isinstance(network, Graph):
        raise DataError("precision='int8' needs calibration: batches of about a hundred inputs")


def integer_graph(
    network: Network,
    example: Any,
    calibration: Any,
    precision: Int8,
    trained: Collection[str],
    check: bool,
    losses: Sequence[Loss] | None = None,
) -> Graph:
    """The graph that training in int8 begins with.

    trained: the parameters that learn; check: whether it is compared with torch; losses: outputs
    that none of these reads are left out, None for all
    """
    if isinstance(network, Graph):
        return training_head(network, precision.float_head)
    if isinstance(network, ExportedProgram) and example is None:
        example = shown_inputs(network)
    return quantize_module(
        network, example, calibration, precision.calibration,
        float_head=precision.float_head, trained=trained, check=check, losses=losses,
    )  # fmt: skip
