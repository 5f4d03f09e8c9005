"""The training wall: MobileNetV2 at 224x224 needs 452 MB for training and 20 MB for inference.

Both figures of the TinyTL paper are right by its rules, but the first is for 8 images and the
second for one.
"""

from __future__ import annotations

from trainlet.accounting.published.activations import TINYTL, TRUE, Choice, Learns, Rules, memory
from trainlet.accounting.published.layers import layers_of
from trainlet.accounting.published.networks import MOBILENET_V2
from trainlet.accounting.published.table import PublishedFigure, PublishedTable

CLASSES, RESOLUTION = 1000, 224
CASES: dict[str, Choice] = {
    "training": lambda layer: Learns(True, True),
    "inference": lambda layer: Learns(),
}
FIGURES = (("training", 8, "452"), ("inference", 1, "20"), ("training", 1, None),
           ("inference", 8, None))  # fmt: skip


def total(case: str, batch: int, rules: Rules) -> int:
    """Bytes of a training step, or of an inference, of MobileNetV2 in float32."""
    layers = layers_of(MOBILENET_V2, RESOLUTION, CLASSES)
    return memory(layers, CASES[case], rules).total(batch)


def training_wall() -> PublishedTable:
    """The two figures, and both at equal batch."""
    rows = tuple(
        PublishedFigure(
            f"{case}, batch {batch}", paper, total(case, batch, TINYTL),
            {"true": total(case, batch, TRUE)},
        )
        for case, batch, paper in FIGURES
    )  # fmt: skip
    printed = total("training", 8, TRUE) / total("inference", 1, TRUE)
    ratios = [total("training", b, TRUE) / total("inference", b, TRUE) for b in (1, 8)]
    notes = (
        f"The paper compares 8 images in training with 1 in inference: {printed:.1f} times.",
        f"At batch 1 training needs {ratios[0]:.1f} times as much, at batch 8 {ratios[1]:.1f}.",
        "true: the output of a depthwise convolution needs all of its bytes.",
    )
    return PublishedTable("MobileNetV2, 224x224, float32", "MB", rows, notes)
