"""QOperator files written out as QDQ: QLinearConv is DequantizeLinear, Conv and QuantizeLinear.

The names of what stands between are no names of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trainlet.errors import FileError
from trainlet.frontends.onnx.file import Model, Operator, package

OTHERS = "com.microsoft."
"""The domain of ONNX Runtime's own operators."""


@dataclass(frozen=True)
class Form:
    """A quantised operator.

    kind:       the operator that it is between DequantizeLinear and QuantizeLinear
    inputs:     where its quantised inputs stand: position of the integers, the scale and the zero
                point follow
    output:     where the scale of its result stands, and then the zero point
    bias:       where an int32 bias stands, in units of both inputs' scales
    axes:       along which an input's scales lie, by its number
    """

    kind: str
    inputs: tuple[int, ...]
    output: int
    bias: int | None = None
    axes: tuple[int, ...] = (1, 1)


UNARY = Form("", (0,), 3)
PAIR = Form("", (0, 3), 6)
FORMS: dict[str, Form] = {
    "QLinearConv": replace(PAIR, kind="Conv", bias=8, axes=(1, 0)),
    "QLinearMatMul": replace(PAIR, kind="MatMul"),
    OTHERS + "QGemm": Form("Gemm", (0, 3), 7, 6),
    OTHERS + "QLinearAdd": replace(PAIR, kind="Add"),
    OTHERS + "QLinearMul": replace(PAIR, kind="Mul"),
    OTHERS + "QLinearAveragePool": replace(UNARY, kind="AveragePool"),
    OTHERS + "QLinearGlobalAveragePool": replace(UNARY, kind="GlobalAveragePool"),
    OTHERS + "QLinearLeakyRelu": replace(UNARY, kind="LeakyRelu"),
    OTHERS + "QLinearReduceMean": replace(UNARY, kind="ReduceMean"),
    OTHERS + "QLinearSigmoid": replace(UNARY, kind="Sigmoid"),
    OTHERS + "QLinearSoftmax": replace(UNARY, kind="Softmax"),
}
CONCAT = OTHERS + "QLinearConcat"
QUANTISED = FORMS.keys() | {CONCAT}


class Writer:
    """The operators that one is written out as, and the constants that these need."""

    def __init__(self, model: Model) -> None:
        self.onnx, self.model = package(), model
        self.constants: dict[str, np.ndarray] = {}

    def made(
        self, of: Operator, kind: str, inputs: Sequence[str], outputs: Sequence[str],
        attributes: Mapping[str, Any],
    ) -> Operator:  # fmt: skip
        """An operator in the place of another one, under its name."""
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        proto = self.onnx.helper.make_node(kind, inputs, outputs, **attributes)
        return replace(of, kind=kind, inputs=tuple(inputs), outputs=tuple(outputs),
                       attributes=attributes, proto=proto)  # fmt: skip

    def real(self, of: Operator, place: int, axis: int = 1) -> tuple[Operator, str]:
        """DequantizeLinear of the input at a place."""
        name = f"{of.outputs[0]} input {place}"
        inputs = [of.input(place + k) for k in range(3)]
        return self.made(of, "DequantizeLinear", inputs, [name], {"axis": axis}), name

    def bias(self, of: Operator, form: Form) -> tuple[Operator, str]:
        assert form.bias is not None
        scales = []
        for place in form.inputs:
            name = of.input(place + 1)
            if name not in self.model.constants:
                raise FileError(f"{of}: its scale {name!r} is no constant")
            scales.append(self.model.constants[name].astype(np.float32).reshape(-1))
        result = f"{of.outputs[0]} input {form.bias}"
        units = scales[0] * scales[1]
        self.constants[result + " scale"] = units.reshape(()) if units.size == 1 else units
        inputs = [of.input(form.bias), result + " scale"]
        return self.made(of, "DequantizeLinear", inputs, [result], {"axis": 0}), result

    def written_out(self, of: Operator) -> Iterator[Operator]:
        """The operator between DequantizeLinear and QuantizeLinear."""
        form = FORMS[of.kind]
        names, attributes = [], dict(of.attributes)
        axes = list(form.axes)
        if form.kind == "Gemm":
            axes[1] = 0 if attributes.get("transB", 0) else 1
        for place, axis in zip(form.inputs, axes, strict=False):
            operator, name = self.real(of, place, axis)
            yield operator
            names.append(name)
        if form.bias is not None and of.input(form.bias):
            operator, name = self.bias(of, form)
            yield operator
            names.append(name)
        if form.kind == "Softmax":
            attributes.pop("opset", None)
        if form.kind == "GlobalAveragePool" and not attributes.get("channels_last", 0):
            attributes.pop("channels_last", None)
        yield from self.quantized(of, form.kind, names, attributes, form.output)

    def concat(self, of: Operator) -> Iterator[Operator]:
        """The scale of the result comes first."""
        names = []
        for place in range(2, len(of.inputs), 3):
            operator, name = self.real(of, place)
            yield operator
            names.append(name)
        yield from self.quantized(of, "Concat", names, dict(of.attributes), 0)

    def quantized(
        self, of: Operator, kind: str, names: list[str], attributes: dict[str, Any], place: int
    ) -> Iterator[Operator]:
        """The plain operator and QuantizeLinear; a result without a scale stays real."""
        if not of.input(place):
            yield self.made(of, kind, names, of.outputs, attributes)
            return
        result = f"{of.outputs[0]} real"
        yield self.made(of, kind, names, [result], attributes)
        inputs = [result, of.input(place), of.input(place + 1)]
        yield self.made(of, "QuantizeLinear", inputs, of.outputs, {})


def as_qdq(model: Model) -> Model:
    """The model with its quantised operators written out; raises FileError for scales that are no
    constants."""
    writer, operators = Writer(model), []
    for of in model.operators:
        if of.kind in FORMS:
            operators.extend(writer.written_out(of))
        elif of.kind == CONCAT:
            operators.extend(writer.concat(of))
        elif of.kind.removeprefix(OTHERS) in ("QuantizeLinear", "DequantizeLinear"):
            plain = of.kind.removeprefix(OTHERS)
            operators.append(writer.made(of, plain, of.inputs, of.outputs, of.attributes))
        else:
            operators.append(of)
    constants = {**model.constants, **writer.constants}
    return replace(model, operators=tuple(operators), constants=constants)
