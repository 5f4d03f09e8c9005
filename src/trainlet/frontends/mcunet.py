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
from trainlet.frontends.quantized_layer import Result, quantized_layer
from trainlet.ir.graph import Graph, Node
from trainlet.ir.npz import read_npz
from trainlet.ir.storage import Storage
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.op import build, leaf
from trainlet.ops.quantized.fixed_point import f32
from trainlet.ops.quantized.types import affine


def load_mcunet(path: str | Path, classes: int, seed: int = 0) -> Graph:
    """A published backbone with a new float32 head: input x = image / 127.5 - 1 [1,3,H,W].

    Parameters are called as in the file without `.params` (`blocks.7.pointwise1.weight`), the new
    head `classifier.weight` (normal, seeded, standard deviation 1 / sqrt(channels)) and
    `classifier.bias` (zero).  Raises FileError for a file that is none of these.
    """
    try:
        arrays = read_npz(path)
        config = json.loads(arrays["config_json"].tobytes())
        return backbone(config, arrays, classes, seed)
    except (DataError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise FileError(
            f"{path}: not an int8 backbone ({type(error).__name__}: {error}); allowed: an .npz "
            "with `config_json` and the arrays that it names"
        ) from error


def backbone(
    config: dict[str, Any], arrays: dict[str, np.ndarray], classes: int, seed: int = 0
) -> Graph:
    """The graph of a file's structure and arrays."""
    return _Backbone(arrays).graph(config, classes, seed)


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
        return build("add_i8", y, x, **sources, **_result(params).attrs, label=f"{name}.residual")

    def conv(self, x: Node, layer: dict[str, Any], name: str) -> Node:
        """A convolution; its clamp to the int8 range is its ReLU6 where there was one."""
        params, depthwise = layer["params"], layer["depthwise"]
        weight = self.arrays[params["weight"]["array"]]
        scales = self.arrays[params["w_scales"]["array"]].astype(np.float32)
        bias = self.arrays[params["bias"]["array"]]
        order = (2, 3, 1, 0) if depthwise else (0, 2, 3, 1)
        how = Storage(weight.shape, order)
        shape = tuple(weight.shape[k] for k in order)
        pad = tuple(k // 2 for k in layer["kernel_size"])
        window = {"stride": (layer["stride"],) * 2, "padding": (*pad, *pad), "dilation": (1, 1)}
        return quantized_layer(
            "depthwise" if depthwise else "conv2d", x,
            (*shape[:2], shape[3]) if depthwise else shape, scales, _result(params),
            weight=lambda kind: self.leaf("param", f"{name}.weight", weight, kind, how),
            bias=lambda kind: self.leaf("param", f"{name}.bias", bias, kind),
            requantization=lambda value: self.leaf(
                "const", f"{name}.requantization", value, TensorType(value.shape, "int32")
            ),
            label=name,
            **window,
            **({} if depthwise else {"groups": layer["groups"]}),
        )  # fmt: skip

    def head(self, x: Node, classes: int, seed: int) -> Node:
        """Mean over the map, real values, a linear layer."""
        (scale, zero), channels = affine(x), x.type.shape[3]
        mean: dict[str, Any] = {"axes": (1, 2), "keep": False, "source": (scale, zero)}
        pooled = build("mean_i8", x, **mean, **Result(scale, zero).attrs)
        features = build("dequantize", pooled, scale=scale, zero_point=zero)
        rng = np.random.default_rng(seed)
        start = rng.standard_normal((classes, channels)) / np.sqrt(channels)
        w = self.leaf("param", "classifier.weight", start.astype(np.float32))
        b = self.leaf("param", "classifier.bias", np.zeros(classes, np.float32))
        return build("linear", features, w, b, label="classifier")

    def leaf(
        self, kind: str, name: str, value: np.ndarray, type: TensorType | None = None,
        how: Storage | None = None,
    ) -> Node:  # fmt: skip
        """Raises DataError for a value that is not of the type."""
        type = type or TensorType(value.shape)
        if value.shape != (how.shape if how else type.shape):
            raise DataError(f"{name} is {list(value.shape)}, not {type}")
        self.values[name] = value
        return leaf(kind, name, type, **({"storage": how} if how else {}))


def _result(params: dict[str, Any]) -> Result:
    return Result(f32(params["y_scale"]), params["y_zero"])
