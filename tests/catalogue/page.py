"""Writes docs/operators.md from the records: `python -m catalogue.page > docs/operators.md`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import trainlet.ops
from onnx_samples.counts import COUNTS as ONNX_COUNTS
from torch_samples.counts import COUNTS
from trainlet.frontends.onnx.importer import TABLE as ONNX
from trainlet.frontends.onnx.integers import INTEGERS
from trainlet.frontends.onnx.qoperators import QUANTISED
from trainlet.frontends.quantized_importer import INTEGER_OPERATORS
from trainlet.frontends.tflite.table import TABLE
from trainlet.ops.objective import LOSSES
from trainlet.ops.op import OPS, Op, build, leaf

KERNELS = Path(trainlet.ops.__file__).parent / "kernels"
INTEGER_NAMES = {
    "sum_to": "mean_i8",
    "broadcast_to": "concat_i8",
    "pad_strided": "pad_i8",
    **dict.fromkeys(("relu", "relu6", "clip"), "requantize_i8"),
}
"""Where the int8 form of an operator has another name."""

HEAD = """# Operators

`PYTHONPATH=src:tests python -m catalogue.page` writes this page from the records of the operators
(`trainlet.ops`) and from the tables of the front ends. A test fails where the page is old.

## The operators of a network

PyTorch's operators become these when a network is imported. An operator of PyTorch that is not in
the import table is decomposed by PyTorch into others, where PyTorch can. Each operator has a
forward kernel in float32. `torch.stft`, `fft.rfft` and `fft.fft` of a constant size are products
with constants, which take 8 bytes of Flash for each pair of an element and a frequency. The
absolute value of `stft` and `rfft` is a fast transform instead, if the size is a power of two and
nothing learns before it.

- **Gradient**: whether the backward pass goes through the operator in float32.
- **int8**: what computes the operator between int8 maps. "integers": an int8 kernel. "table": a
  lookup table of 256 bytes, for maps of at least 256 elements; smaller maps are computed in
  float32. "same": the bytes stay as they are. "float32": the map is converted to float32 and
  back. A clamp is part of the layer before it, where there is one.
- **Integer gradient**: whether the backward pass of the int8 operator stays in integers. Without
  it, the gradient of this operator is computed in float32.
- **Cortex-M, Helium**: forward and backward operators with a kernel for the DSP instructions of
  Cortex-M4, M7 and M33, or for the vector unit of Cortex-M55. All others use the portable kernel.

| operator | gradient | int8 | integer gradient | Cortex-M | Helium |
|---|---|---|---|---|---|
"""

SAMPLES = """
## PyTorch's samples

PyTorch has test inputs for each of its operators (`op_db`). This table counts the float32 samples
of each operator of which at least one trains. A sample is equal if the result and every gradient
equal PyTorch's. Other samples are refused with an error that names the operator. No sample differs.
Samples that PyTorch cannot export or differentiate, and those with an empty result or one that is
not finite or not float32, are left out. `PYTHONPATH=src:tests python -m torch_samples.count` writes
the counts; `make test-samples` compares them.

| operator | equal | refused | left out |
|---|---|---|---|
"""

LITE = """
## TensorFlow Lite

These operators are read from a .tflite file, in float32 and in int8 where they have both: {known}.

## ONNX

These operators are read from an .onnx file, in float32: {onnx}.

These have a form in integers between `DequantizeLinear` and `QuantizeLinear`; the others are
computed in float32 between the two: {integers}.

These quantised operators are read too: {quantised}.

This table counts the ONNX package's own backend tests: the models of files, and the tests of each
operator of which at least one is equal. A test is equal if the results equal those that are stored
with it. Others are refused with an error that names the operator or the input. No test differs.
Where a layer's weight is an input of the model, it is made a constant.
`PYTHONPATH=src:tests python -m onnx_samples.count` writes the counts; `pytest tests/onnx_samples`
compares them.

| tests | equal | refused |
|---|---|---|
"""


def page() -> str:
    """The text of docs/operators.md."""
    operators = sorted(forward_operators(), key=lambda op: op.name)
    rows = "\n".join(f"| {' | '.join(cells(op))} |" for op in operators)
    samples = "\n".join(f"| `{name}` | {' | '.join(map(str, n))} |" for name, n in COUNTS.items())
    totals = [sum(column) for column in zip(*COUNTS.values(), strict=True)]
    total = f"| all {len(COUNTS)} | {' | '.join(f'{n:,}' for n in totals)} |"
    known = ", ".join(f"`{n}`" for n in sorted(TABLE))
    files = ", ".join(f"`{n}`" for n in sorted(ONNX))
    tests = "\n".join(f"| {name} | {a:,} | {b:,} |" for name, (a, b) in ONNX_COUNTS.items())
    integers, quantised = (", ".join(f"`{n}`" for n in sorted(k)) for k in (INTEGERS, QUANTISED))
    lite = LITE.format(known=known, onnx=files, integers=integers, quantised=quantised)
    return f"{HEAD}{rows}\n{SAMPLES}{total}\n{samples}\n{lite}{tests}\n"


def forward_operators() -> Iterator[Op]:
    """The operators that an imported float32 network can contain."""
    for op in OPS.values():
        given = {t.dtype for sample in op.samples for t in sample.types}
        floats = given.isdisjoint({"int8", "int16"})
        if (op.vjp or op.detaches) and floats and op.name not in LOSSES:
            yield op


def cells(op: Op) -> tuple[str, ...]:
    form, integer = integer_form(op)
    names = [op.name, *([integer.name] if integer else [])]
    return (
        f"`{op.name}`",
        "yes" if differentiable(op) else "none",
        form,
        "yes" if integer and integer.vjp_bfp else "",
        *(kernels(folder, names) for folder in ("cortex_m", "helium")),
    )


def differentiable(op: Op) -> bool:
    """Whether a sample has the gradient of an input."""
    if op.vjp is None:
        return False
    for sample in op.samples:
        inputs = [leaf("input", f"x{k}", t) for k, t in enumerate(sample.types)]
        node = build(op.name, *inputs, **sample.attrs)
        if any(op.vjp(node, leaf("input", "gradient", node.type))):
            return True
    return False


def integer_form(op: Op) -> tuple[str, Op | None]:
    """What becomes of an operator between int8 maps, and the record of the int8 kernel."""
    integer = OPS.get(INTEGER_NAMES.get(op.name, f"{op.name}_i8"))
    if integer:
        return "integers", integer
    if op.name in INTEGER_OPERATORS:
        return "same", op
    one_operand = all(len(sample.types) == 1 for sample in op.samples)
    return ("table" if op.element and one_operand else "float32"), None


def kernels(folder: str, names: list[str]) -> str:
    """Operators with a kernel in a folder: those named, their gradients and updates."""
    stems = sorted(path.stem for path in (KERNELS / folder).glob("*.c"))
    own = [s for s in stems if any(s == n or s.startswith(f"{n}_") for n in names)]
    return ", ".join(f"`{s}`" for s in own)


if __name__ == "__main__":
    print(page(), end="")
