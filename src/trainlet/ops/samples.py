"""Integer samples of a sensor as they are: as float32, and their largest magnitude."""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import DType, TensorType
from trainlet.ops.layout import ELEMENTWISE
from trainlet.ops.op import Op, Sample, build, float32, register, require, typed
from trainlet.ops.row_access import own_rows


def _drawn(*shape: int, dtype: DType = "int16") -> Sample:
    limits = np.iinfo(dtype)

    def draw(rng: np.random.Generator) -> np.ndarray:
        return rng.integers(limits.min, limits.max + 1, shape)

    return Sample((typed(dtype, *shape),), {}, {0: draw})


def _infer_float(x: TensorType) -> TensorType:
    return float32(*x.shape)


for _name, _sample in (
    ("from_i16", _drawn(3, 7)),
    ("from_u8", _drawn(2, 5, dtype="uint8")),
):
    register(
        Op(
            _name,
            rows=own_rows,
            infer=_infer_float,
            eval=lambda x: x.astype(np.float32),
            layout=ELEMENTWISE,
            samples=[_sample],
        )
    )


def _infer_peak(x: TensorType, *, shape: tuple[int, ...]) -> TensorType:
    require(x.rank == 2 and shape in ((x.shape[0],), (x.shape[0], 1)), f"peaks {shape} of {x}")
    return float32(*shape)


def _peak(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.abs(x.astype(np.int32)).max(1).astype(np.float32).reshape(shape)


register(
    Op(
        "peak_i16",
        infer=_infer_peak,
        eval=_peak,
        call=lambda n: n.inputs[0].type.shape,
        samples=[
            Sample(s.types, {"shape": shape}, s.values)
            for s, shape in ((_drawn(2, 9), (2,)), (_drawn(3, 5), (3, 1)))
        ],
    )
)


def on_samples(n: Node) -> Node | None:
    """The same of int16 samples as they are, where that needs no copy of them in float32; None
    where the node stays."""
    x = n.inputs[0] if n.inputs else n
    if n.op == "spectrogram" and x.op == "from_i16":
        return build(n.op, x.inputs[0], *n.inputs[1:], label=n.name, **n.attrs)
    if n.op == "max_to" and x.op == "abs" and x.inputs[0].op == "from_i16":
        samples, shape = x.inputs[0].inputs[0], n.attrs["shape"]
        if samples.type.rank == 2 and shape in (samples.type.shape[:1], (samples.type.shape[0], 1)):
            return build("peak_i16", samples, shape=shape, label=n.name)
    return None
