"""The int8 backbones published with 'On-Device Training Under 256KB Memory' (Lin et al., 2022).

MCUNet-5FPS, MobileNetV2-w0.35 and ProxylessNAS-w0.3 are .npz files: `config_json` gives the
structure, and the arrays it names hold int8 weights, int32 biases and a scale for each channel.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from trainlet.errors import DataError, FileError
from trainlet.ir.graph import Graph, Node
from trainlet.ir.npz import read_npz
from trainlet.ir.storage import Storage
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.op import build, leaf
from trainlet.ops.quantized.fixed_point import f32, requantization
from trainlet.ops.quantized.types import affine

CLAMP: dict[str, Any] = {"low": -128, "high": 127}


def load_mcunet(path: str | Path, classes: int, seed: int = 0) -> Graph:
    """A published backbone with a new float32 head: input x = image / 127.5 - 1 [1,3,H,W].

    Parameters are called as in the file without `.params` (`blocks.7.pointwise1.weight`), the new
    head `classifier.weight` (normal, seeded, standard deviation 1 / sqrt(channels)) and
    `classifier.bias` (zero).  Raises FileError for a file that is none of these.
    """
    try:
        arrays = read_npz(path)
        config = json.loads(arrays["config_json"].tobytes())
        return _Backbone(arrays).graph(config, classes, seed)
    except (DataError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise FileError(
            f"{path}: no int8 backbone ({type(error).__name__}: {error}); allowed: an .npz with "
            "`config_json` and the arrays that it names"
        ) from error


class _Backbone:
    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays = arrays
        self.values: dict[str, np.ndarray] = {}

    def graph(self, config: dict[str, Any], classes: int, seed: int) -> Graph:
        x = self.conv(self.image(config["first_conv"]), config["first_conv"], "first_conv")
        for k, block in enumerate(config["blocks"]):
            x = self.block(x, block, f"blocks.{k}")
        return Graph({"logits": self.head(x, classes, seed)}, self.values)

    def image(self, first: dict[str, Any]) -> Node:
        size, params = first["in_shape"], first["params"]
        quant = Quant((f32(params["x_scale"]),), (params["x_zero"],))
        channels = first["in_channel"]
        how = Storage((1, channels, size, size), (0, 2, 3, 1))
        return leaf("input", "x", TensorType((1, size, size, channels), "int8", quant), storage=how)

    def block(self, x: Node, block: dict[str, Any], name: str) -> Node:
        y = x
        for part in ("pointwise1", "depthwise", "pointwise2"):
            if block[part]:
                y = self.conv(y, block[part], f"{name}.{part}")
        if block["residual"] is None:
            return y
        params = block["residual"]["params"]
        sources = {"sources": (affine(y), affine(x))}
        return build("add_i8", y, x, **sources, **_result(params), label=f"{name}.residual")

    def conv(self, x: Node, layer: dict[str, Any], name: str) -> Node:
        """A convolution; its clamp to the int8 range is its ReLU6 where there was one."""
        params, depthwise = layer["params"], layer["depthwise"]
        weight = self.arrays[params["weight"]["array"]]
        scales = self.arrays[params["w_scales"]["array"]].astype(np.float32)
        order, axis = ((2, 3, 1, 0), 2) if depthwise else ((0, 2, 3, 1), 0)
        shape = tuple(weight.shape[k] for k in order)
        shape = (*shape[:2], shape[3]) if depthwise else shape
        quant = Quant(tuple(map(float, scales)), (0,) * scales.size, axis)
        w = self.leaf("param", f"{name}.weight", weight, TensorType(shape, "int8", quant),
                      Storage(weight.shape, order))  # fmt: skip
        pad = tuple(k // 2 for k in layer["kernel_size"])
        attrs = {
            "stride": (layer["stride"],) * 2,
            "padding": (*pad, *pad),
            "dilation": (1, 1),
            **({} if depthwise else {"groups": layer["groups"]}),
            "source": affine(x),
            **_result(params),
        }
        inputs = (x, w, *self.bias_and_scaling(params, scales, name, affine(x)[0]))
        return build("depthwise_i8" if depthwise else "conv2d_i8", *inputs, **attrs, label=name)

    def bias_and_scaling(
        self, params: dict[str, Any], scales: np.ndarray, name: str, s_x: float
    ) -> tuple[Node, Node]:
        bias = self.arrays[params["bias"]["array"]]
        real = scales.astype(np.float64) * s_x
        quant = Quant(tuple(map(float, real)), (0,) * scales.size, 0)
        b = self.leaf("param", f"{name}.bias", bias, TensorType(bias.shape, "int32", quant))
        q = requantization(s_x, scales, params["y_scale"])
        return b, self.leaf("const", f"{name}.requantization", q, TensorType(q.shape, "int32"))

    def head(self, x: Node, classes: int, seed: int) -> Node:
        """Mean over the map, real values, a linear layer."""
        (scale, zero), channels = affine(x), x.type.shape[3]
        own: dict[str, Any] = {"scale": scale, "zero_point": zero}
        pooled = build("mean_i8", x, axes=(1, 2), keep=False, source=(scale, zero), **own, **CLAMP)
        features = build("dequantize", pooled, **own)
        rng = np.random.default_rng(seed)
        start = rng.standard_normal((classes, channels)) / np.sqrt(channels)
        w = self.leaf("param", "classifier.weight", start.astype(np.float32))
        b = self.leaf("param", "classifier.bias", np.zeros(classes, np.float32))
        return build("linear", features, w, b, label="classifier")

    def leaf(
        self, kind: str, name: str, value: np.ndarray, type: TensorType | None = None,
        how: Storage | None = None,
    ) -> Node:  # fmt: skip
        self.values[name] = value
        attrs = {"storage": how} if how else {}
        return leaf(kind, name, type or TensorType(value.shape), **attrs)


def _result(params: dict[str, Any]) -> dict[str, Any]:
    return {"scale": f32(params["y_scale"]), "zero_point": params["y_zero"], **CLAMP}
