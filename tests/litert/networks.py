"""Real networks and real inputs for them."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tflite

from litert.reference import data
from trainlet.ir.graph import Graph

QUANTISED = {
    "kws": "models/mlperf_tiny/kws_dscnn_int8.tflite",
    "ic": "models/mlperf_tiny/ic_resnet8_int8.tflite",
    "vww": "models/mlperf_tiny/vww_mobilenetv1_025_int8.tflite",
    "ad": "models/mlperf_tiny/ad_autoencoder_int8.tflite",
    "wakeword": "models/mlperf_tiny/streaming_wakeword_int8.tflite",
    "micro_speech": "models/tflm/micro_speech_quantized.tflite",
    "hello_world": "models/tflm/hello_world_int8.tflite",
    "person_detect": "models/tflm/person_detect.tflite",
    "mcunet_vww": "models/mcunet_int8/tinyengine_vww.tflite",
}
FLOAT = {
    "ic": "models/mlperf_tiny/ic_resnet8_float.tflite",
    "vww": "models/mlperf_tiny/vww_mobilenetv1_025_float.tflite",
    "hello_world": "models/tflm/hello_world_float.tflite",
    "lstm": "models/tflm/mnist_lstm_float.tflite",
}


def words(count: int | None = None) -> np.ndarray:
    """MLPerf Tiny's own stimuli for keyword spotting."""
    stimuli = np.load(data("mlperf_kws01_mfcc.npz"), allow_pickle=False)
    return stimuli["mfcc"][:count].reshape(-1, 49, 10, 1)


def pictures(count: int) -> np.ndarray:
    """CIFAR-10 test pictures as int8."""
    image = pytest.importorskip("PIL.Image", reason="needs pip install pillow")
    archive = np.load(data("cifar10_jpeg.npz"), allow_pickle=False)
    blob, offset = archive["test_jpeg"], archive["test_offset"]
    chosen = np.linspace(0, len(offset) - 2, count).astype(int)
    raw = [blob[offset[k] : offset[k + 1]].tobytes() for k in chosen]
    shown = [np.asarray(image.open(io.BytesIO(r)).convert("RGB")) for r in raw]
    return (np.stack(shown).astype(np.int16) - 128).astype(np.int8)


def machine(graph: Graph, count: int) -> np.ndarray:
    """Windows of the spectrogram of a machine that runs as it should."""
    name = "models/mlperf_tiny/ad_input_normal_id_01_00000000_hist_librosa.bin"
    real = np.fromfile(data(name), np.float32).reshape(-1, 640)[:count]
    (source,) = graph.leaves("input")
    assert source.type.quant is not None
    steps = np.round(real / np.float32(source.type.quant.scale[0]))
    return np.clip(steps + source.type.quant.zero_point[0], -128, 127).astype(np.int8)


def with_valid_biases(content: bytes) -> bytes:
    """The same network with every bias quantised along its only dimension.

    LiteRT refuses person_detect, whose biases claim to be quantised along a fourth one.
    """
    patched = bytearray(content)
    graph = tflite.Model.GetRootAs(content, 0).Subgraphs(0)
    for k in range(graph.TensorsLength()):
        tensor = graph.Tensors(k)
        quant = tensor.Quantization()
        if quant is not None and quant.QuantizedDimension() >= max(1, tensor.ShapeLength()):
            table = quant._tab
            at = table.Pos + table.Offset(16)  # the field quantized_dimension
            patched[at : at + 4] = bytes(4)
    return bytes(patched)
