"""Speech commands through a new microphone in a noisy room: the DS-CNN of MLPerf Tiny."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from int8.task import Episode, Task, folded, last_layers
from torch import nn

from trainlet.run.dataset import Dataset

from .sound import cepstra, mu_law, through_device

LEARNING_PEOPLE, VALIDATION_PEOPLE = 10, 6
VALIDATION_DEVICES, TEST_DEVICES = 3, 6
CLIPS, LEAST, CHANNELS = 240, 20, 64
BACKBONE = "models/mlperf_tiny/kws_dscnn_float.npz"


def microphone(data: Path) -> Task:
    """240 clips of ten people through a microphone; others' clips through the same one test.

    A microphone is drawn: a band, three resonances, reverberation, noise 25 dB below the voice.
    """
    file = np.load(data / "speech_commands_personal_16k.npz", allow_pickle=False)
    sound, label = mu_law(file["audio_mulaw"]), file["label12"].astype(np.int32)
    speaker = file["speaker"]
    people = np.random.default_rng(0).permutation(np.unique(speaker))
    people = [one for one in people if (speaker == one).sum() > LEAST]
    learning = _clips(speaker, people[:LEARNING_PEOPLE])
    validation = _clips(speaker, people[LEARNING_PEOPLE:][:VALIDATION_PEOPLE])
    test = _clips(speaker, people[LEARNING_PEOPLE + VALIDATION_PEOPLE :])
    normed = ds_cnn(data / BACKBONE)
    model = folded(deepcopy(normed))

    def episode(device: int, others: np.ndarray) -> Episode:
        own = np.random.default_rng(device).permutation(learning)[:CLIPS]
        parts = []
        for rows in (own, others):
            heard = through_device(sound[rows], device)
            parts.append(Dataset(cepstra(heard), label[rows]))
        return Episode(*parts)

    def episodes(part: str, seed: int) -> list[Episode]:
        """A seed is another set of devices."""
        if part == "test":
            first = seed * TEST_DEVICES
            return [episode(first + k, test) for k in range(TEST_DEVICES)]
        return [episode(10 * seed + k, validation) for k in range(VALIDATION_DEVICES)]

    return Task(
        name="microphone",
        title="Speech commands through a new microphone",
        model=model,
        normed=normed,
        example=(1, 1, 49, 10),
        calibration=cepstra(through_device(sound[learning[:128]], 999)),
        scheme=last_layers(model, 9, [-3, -1]),
        epochs=2,
        episodes=episodes,
    )


def ds_cnn(path: Path) -> nn.Sequential:
    """The released weights, with their batch norms."""
    with np.load(path, allow_pickle=False) as file:
        values = {name: torch.from_numpy(file[name]) for name in file.files}

    def of(number: int, name: str) -> torch.Tensor:
        return values[f"layer_with_weights-{number}.{name}"]

    def conv(number: int, depthwise: bool, **how: object) -> list[nn.Module]:
        name = "depthwise_kernel" if depthwise else "kernel"
        kernel = of(number, name).permute(*((2, 3) if depthwise else (3, 2)), 0, 1)
        out, inside, *sides = kernel.shape
        groups = out if depthwise else 1
        layer = nn.Conv2d(inside * groups, out, tuple(sides), groups=groups, **how)  # type: ignore[arg-type]
        norm = nn.BatchNorm2d(out, eps=1e-3)
        with torch.no_grad():
            layer.weight.copy_(kernel)
            layer.bias.copy_(of(number, "bias"))  # type: ignore[union-attr]
            for tensor, key in (
                (norm.weight, "gamma"), (norm.bias, "beta"),
                (norm.running_mean, "moving_mean"), (norm.running_var, "moving_variance"),
            ):  # fmt: skip
                tensor.copy_(of(number + 1, key))  # type: ignore[union-attr]
        return [layer, norm, nn.ReLU()]

    layers = [nn.ZeroPad2d((1, 1, 4, 5)), *conv(0, False, stride=2)]  # TensorFlow's "same"
    for block in range(4):
        layers += conv(2 + 4 * block, True, padding=1) + conv(4 + 4 * block, False)
    head = nn.Linear(CHANNELS, 12)
    with torch.no_grad():
        head.weight.copy_(of(18, "kernel").T)
        head.bias.copy_(of(18, "bias"))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval()


def _clips(speaker: np.ndarray, people: list[str]) -> np.ndarray:
    """Rows of these people's clips."""
    return np.flatnonzero(np.isin(speaker, people))
