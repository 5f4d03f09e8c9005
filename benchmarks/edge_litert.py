"""One cell of `edge.py` on LiteRT: needs TensorFlow and NumPy, and nothing else.

    python benchmarks/edge_litert.py NETWORK BATCH SCHEME SECONDS        prints one line of JSON

The training step is a signature of a .tflite file. Gradients are TensorFlow's own operators (Flex),
for LiteRT has none. Padding is SAME, which LiteRT runs fastest.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_NUM_INTRAOP_THREADS": "1",
               "TF_NUM_INTEROP_THREADS": "1", "CUDA_VISIBLE_DEVICES": "-1"}  # fmt: skip

import numpy as np
from edge_measure import Resident, measured, report
from edge_networks import CLASSES, NETWORKS, Layer, Network, layers_of, learning

RATE = 1e-4


def convert(network: Network, batch: int, scheme: str) -> bytes:
    """The .tflite file with the signature `train`."""
    import tensorflow as tf

    rng, values = np.random.default_rng(0), {}

    def made(name: str, shape: tuple[int, ...], fan: float) -> None:
        drawn = rng.standard_normal(shape) * np.sqrt(2 / fan)
        values[name] = tf.Variable(drawn.astype(np.float32), name=name.replace(".", "_"))

    for b, block in enumerate(network.blocks):
        for key, layer in layers_of(block):
            k, own = layer.kernel, layer.inputs // layer.groups
            shape = (k, k, layer.inputs, 1) if layer.groups > 1 else (k, k, own, layer.outputs)
            made(f"blocks.{b}.{key}.weight", shape, k * k * own * (1 if layer.act else 50))
            made(f"blocks.{b}.{key}.bias", (layer.outputs,), 10000)
    features = network.blocks[-1].layers[-1].outputs
    made("head.weight", (features, CLASSES), features)
    made("head.bias", (CLASSES,), 10000)
    acts = {"relu": tf.nn.relu, "relu6": tf.nn.relu6, "": lambda v: v}

    def conv(x: tf.Tensor, layer: Layer, name: str) -> tf.Tensor:
        strides = [1, layer.stride, layer.stride, 1]
        call = tf.nn.depthwise_conv2d if layer.groups > 1 else tf.nn.conv2d
        y = call(x, values[f"{name}.weight"], strides=strides, padding="SAME")
        return acts[layer.act](y + values[f"{name}.bias"])

    def forward(x: tf.Tensor) -> tf.Tensor:
        for b, block in enumerate(network.blocks):
            before = x
            for k, layer in enumerate(block.layers):
                x = conv(x, layer, f"blocks.{b}.layers.{k}")
            if block.residual:
                short = block.shortcut
                x = x + (conv(before, short, f"blocks.{b}.shortcut") if short else before)
            x = acts[block.act](x)
            if block.pool:
                x = tf.nn.max_pool2d(x, 3, 2, "SAME")
        return tf.reduce_mean(x, (1, 2)) @ values["head.weight"] + values["head.bias"]

    class Model(tf.Module):
        @tf.function(input_signature=[
            tf.TensorSpec((batch, network.size, network.size, 3)), tf.TensorSpec((batch,), tf.int32)
        ])  # fmt: skip
        def train(self, x: tf.Tensor, y: tf.Tensor) -> dict:
            trained = [values[name] for name in learning(network, scheme)]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(trained)
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, forward(x)))
            for value, g in zip(trained, tape.gradient(loss, trained), strict=True):
                value.assign_sub(RATE * g)
            return {"loss": loss}

    model = Model()
    model.values = values
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(model, folder, {"train": model.train})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS
        ]  # fmt: skip
        converter.experimental_enable_resource_variables = True
        return converter.convert()


def main(name: str, batch: int, scheme: str, seconds: float, file: str = "") -> None:
    network = NETWORKS[name]
    if file and not Path(file).exists():
        Path(file).write_bytes(convert(network, batch, scheme))
        return
    import tensorflow as tf

    resident = Resident()
    interpreter = tf.lite.Interpreter(file, num_threads=1)
    train = interpreter.get_signature_runner("train")
    rng = np.random.default_rng(1)
    x = rng.standard_normal((batch, network.size, network.size, 3)).astype(np.float32)
    y = rng.integers(0, CLASSES, batch).astype(np.int32)
    report(measured(lambda: float(train(x=x, y=y)["loss"]), seconds), resident)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4]), *sys.argv[5:])
