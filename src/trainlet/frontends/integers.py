"""From torchao's converted graph to a graph of integers.

There, a layer is dequantize -> float operator -> (clamp) -> quantize; here it is one integer
operator.  An operator that the quantiser annotated waits until the scale of its result is known;
all others are computed in float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter, getitem
from typing import Any

import numpy as np
import torch
from torch._ops import OpOverload
from torch.fx import GraphModule
from torch.fx import Node as Fx

from trainlet.errors import DataError, GraphError, UnsupportedError
from trainlet.frontends.aten.moves import COPIES
from trainlet.frontends.aten.resizing import LINEAR
from trainlet.frontends.constants import Constant, folded
from trainlet.frontends.indices import SENSED, index_limit
from trainlet.frontends.operators import call_operator, check_dtype
from trainlet.frontends.quantized_importer import QuantizedImporter, Weight, clamped
from trainlet.frontends.quantized_layer import Result
from trainlet.frontends.source import module_path
from trainlet.frontends.terms import Names
from trainlet.frontends.torch import unread
from trainlet.ir.graph import Graph, Node
from trainlet.ir.roles import LOGITS, as_outputs
from trainlet.ir.types import TensorType
from trainlet.ops.op import leaf
from trainlet.ops.quantized.fixed_point import f32
from trainlet.ops.quantized.types import affine

ANNOTATION = "quantization_annotation"
"""Where a node's metadata tell that the quantiser wants it in integers."""
QUANTIZE = "quantized_decomposed.quantize_per_tensor.default"
DEQUANTIZE = "quantized_decomposed.dequantize_per_tensor.default"
QUANTIZE_WEIGHT = "quantized_decomposed.quantize_per_channel.default"
DEQUANTIZE_WEIGHT = "quantized_decomposed.dequantize_per_channel.default"
CLAMPS = frozenset(("relu", "relu6", "hardtanh", "clamp", "clamp_min"))
"""Activations that are a clamp of the integers before them."""
MOVES = frozenset((
    *"max_pool1d max_pool2d flatten view reshape permute transpose squeeze unsqueeze slice select "
    "pad constant_pad_nd dropout contiguous clone alias detach narrow unflatten expand "
    "pixel_shuffle pixel_unshuffle channel_shuffle repeat_interleave gather "
    "im2col".split(),
    *COPIES,
    *LINEAR,
))  # fmt: skip
"""The result holds elements of the input (or zeros): the scale is the same."""

RECURRENT = frozenset(("lstm", "gru", "rnn_tanh"))
"""Layers whose outputs lie between -1 and 1."""
FUNCTIONS = frozenset(
    "celu elu hardshrink log_sigmoid mish prelu selu softplus softshrink threshold".split()
)
"""Functions of each element, which take float32 and whose results are quantised."""


@dataclass(frozen=True)
class Attribute:
    """A parameter."""

    name: str
    tensor: torch.Tensor


@dataclass(frozen=True)
class Integers:
    """A dequantised tensor: real numbers that exist as integers."""

    node: Node


@dataclass(frozen=True)
class Pending:
    """An operator that waits for the scale of its result; without `fx`, a bare clamp of `x`."""

    given: Mapping[str, Node]
    fx: Fx | None = None
    bounds: tuple[float | None, float | None] = (None, None)


def import_converted(
    module: GraphModule, inputs: Mapping[str, tuple[int, ...]], names: Names
) -> Graph:
    """The integer graph; arguments and errors as of `Conversion`."""
    return Conversion(module, inputs, names).run()


def operator(fx: Fx) -> str:
    """The ATen operator's name without its overload; empty for what is none."""
    name = str(fx.target)
    return name.removeprefix("aten.").split(".")[0] if name.startswith("aten.") else ""


def only_user(fx: Fx) -> Fx | None:
    """The one reader of a node, or None."""
    users = list(fx.users)
    return users[0] if len(users) == 1 else None


class Conversion:
    """The integer graph of torchao's; `values` has what each of its operators became.

    inputs:  names and shapes in the graph to be made, in the order of `forward`
    names:   of parameters
    outputs: the names of what the module returns
    """

    def __init__(
        self,
        module: GraphModule,
        inputs: Mapping[str, tuple[int, ...]],
        names: Names,
        outputs: Sequence[str] = (LOGITS,),
    ) -> None:
        self.module, self.outputs = module, outputs
        self.names, self.inputs = tuple(inputs), iter(inputs.items())
        self.positions = iter(range(len(inputs)))
        self.at = QuantizedImporter(names=names)
        self.values: dict[Fx, Any] = {}
        self.leaves: dict[str, Node] = {}
        self.held: dict[str, Attribute | Constant] = {}

    def run(self) -> Graph:
        """Raises UnsupportedError and DataError, as the import of a float network does."""
        result: Any = ()
        for fx in self.module.graph.nodes:
            self.at.label = module_path(fx)
            if fx.op == "output":
                result = fx.args[0]
            else:
                self.values[fx] = self.value(fx)
        results = result if isinstance(result, (tuple, list)) else (result,)
        made = {
            name: self.real(self.values[fx]) for name, fx in zip(self.outputs, results, strict=True)
        }
        if None in made.values():
            raise UnsupportedError("the model returns a tensor without elements")
        graph = self.at.graph(as_outputs(made))
        read = {n.name for n in graph.leaves("input")}
        if absent := [name for name in self.names if name not in read]:
            raise unread(absent[0])
        return graph

    def value(self, fx: Fx) -> Any:
        target: Any = fx.target
        if fx.op == "placeholder":
            name, shape = next(self.inputs)
            place, limit = {"position": next(self.positions)}, index_limit(fx)
            if limit:
                return leaf("input", name, TensorType(shape, "int32"), below=limit, **place)
            if (kind := SENSED.get(fx.meta["val"].dtype)) is not None:
                return leaf("input", name, TensorType(shape, kind), **place)
            return leaf("input", name, TensorType(shape), **place)
        if fx.op == "get_attr":
            return self.attribute(target)
        given = [self.values[i] for i in fx.all_input_nodes]
        match str(target):
            case t if t == QUANTIZE_WEIGHT:
                return self.weight(*given[:2])
            case t if t == DEQUANTIZE_WEIGHT:
                return given[0]
            case t if t == QUANTIZE:
                return self.quantized(given[0], fx.args)
            case t if t == DEQUANTIZE:
                return Integers(given[0])
            case t if t.startswith(("aten._assert", "aten.sym_constrain")):
                return None
        if operator(fx) == "sym_size":
            return self.real(given[0]).type.shape[fx.args[1]]  # type: ignore[index]
        if target is getitem:
            return given[0][fx.args[1]]  # type: ignore[index]
        if not isinstance(target, OpOverload) and _are_numbers(given):  # sizes of the batch
            return target(*(self.values[a] if isinstance(a, Fx) else a for a in fx.args))
        known = folded(
            fx, operator(fx), self.at.label, {i.name: self.values[i] for i in fx.all_input_nodes}
        )
        if known is not None:
            return known
        in_integers = ANNOTATION in fx.meta and operator(fx) not in FUNCTIONS
        return self.annotated(fx, given) if in_integers else self.floating(fx)

    def attribute(self, name: str) -> Attribute | Constant:
        """A parameter, or a buffer, which is a constant; the same object for all who read it."""
        if name not in self.held:
            tensor = attrgetter(name)(self.module)
            kind = Attribute if isinstance(tensor, torch.nn.Parameter) else Constant
            self.held[name] = kind(name, tensor)
        return self.held[name]

    def floating(self, fx: Fx) -> Any:
        """In float32, as the import of a float network has it."""
        name = operator(fx)
        nodes = {i.name: self.real(self.values[i], name) for i in fx.all_input_nodes}
        made = call_operator(self.at, fx, nodes)
        check_dtype(fx, fx.meta.get("val"), made)
        return made

    def annotated(self, fx: Fx, given: list[Any]) -> Any:
        """In integers; a clamp joins what it follows."""
        if operator(fx) in CLAMPS:
            bounds = _bounds(fx)
            if isinstance(given[0], Pending):
                return replace(given[0], bounds=bounds)
            return Pending({"x": given[0].node}, bounds=bounds)
        if operator(fx) in RECURRENT:
            return self.recurrent(fx)
        nodes = {i.name: self.integer(self.values[i]) for i in fx.all_input_nodes}
        if operator(fx) in MOVES:
            return Integers(call_operator(self.at, fx, nodes))
        return Pending(nodes, fx)

    def recurrent(self, fx: Fx) -> tuple[Any, ...]:
        """Outputs and last outputs; the scale of both is known."""
        nodes = {i.name: self.integer(self.values[i]) for i in fx.all_input_nodes}
        states = [fx.args[1]] if isinstance(fx.args[1], Fx) else fx.args[1]
        nodes |= {s.name: self.at.leaf_of(self.values[s]) for s in states}  # type: ignore[union-attr]
        y, h, *rest = call_operator(self.at, fx, nodes)
        return Integers(y), Integers(h), *rest

    def quantized(self, source: Any, args: tuple) -> Node:
        """The integers of a quantize, of whatever they are made."""
        result = Result(f32(args[1]), int(args[2]))
        if isinstance(source, Integers):
            return self.at.quantized(source.node, result)
        if not isinstance(source, Pending):
            return self.at.quantized(self.real(source), result)
        self.at.result = clamped(result, *source.bounds)
        if source.fx is None:
            made = self.at.build("clamp", source.given["x"])
        else:
            self.at.label = module_path(source.fx)
            made = call_operator(self.at, source.fx, dict(source.given))
        self.at.result = None
        same = affine(made) == (result.scale, result.zero_point)
        return made if same else self.at.quantized(made, result)

    def weight(self, source: Attribute | Constant, scale: Constant) -> Weight:
        value = Weight(source.name, _array(source), _array(scale))
        return self.at.weights.setdefault(source.name, value)

    def integer(self, value: Any) -> Any:
        """What an annotated operator reads; a leaf stands for a weight or a bias."""
        if isinstance(value, int):
            return value
        if isinstance(value, Integers):
            return value.node
        if isinstance(value, Weight):
            return leaf("param", value.name, TensorType(value.real.shape))
        if isinstance(value, Constant) and not value.tensor.is_floating_point():
            return self.at.leaf_of(value)  # an index
        if isinstance(value, (Attribute, Constant)):
            array = self.at.offsets.setdefault(value.name, _array(value))
            return leaf("param", value.name, TensorType(array.shape))
        raise GraphError(f"{self.at.label}: an integer operator reads {value!r}")

    def real(self, value: Any, reader: str = "") -> Any:
        """What an operator of float32, called `reader`, reads."""
        if isinstance(value, Integers):
            return self.at.real(value.node)
        if isinstance(value, Attribute):
            return self.floats(value)
        if isinstance(value, (Weight, Pending)):
            raise GraphError(f"{self.at.label}: a float operator reads {value!r}")
        return self.at.leaf_of(value, reader)

    def floats(self, value: Attribute) -> Node:
        if value.name not in self.leaves:
            array = self.at.values[value.name] = _array(value)
            self.leaves[value.name] = leaf("param", value.name, TensorType(array.shape))
        return self.leaves[value.name]


def _are_numbers(values: list[Any]) -> bool:
    return all(isinstance(v, (int, float)) for v in values)


def _array(value: Attribute | Constant) -> np.ndarray:
    array = value.tensor.detach().to(torch.float32).cpu().numpy().copy()
    if not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        raise DataError(f"{value.name!r} holds {count} values that are NaN or infinite")
    return array


def _bounds(fx: Fx) -> tuple[float | None, float | None]:
    """The real bounds of a clamp."""
    low, high = {"relu": (0, None), "relu6": (0, 6), "hardtanh": (-1, 1)}.get(
        operator(fx), (None, None)
    )
    given: Any = fx.args[1:]
    return given[0] if given else low, given[1] if len(given) > 1 else high
