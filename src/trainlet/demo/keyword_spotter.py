"""The pretrained network of the demo: the DS-CNN of MLPerf Tiny, about 23,000 parameters."""

from collections import OrderedDict
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from trainlet.demo.speech import WORDS

WEIGHTS = Path(__file__).parent / "assets" / "keyword_spotter.safetensors"
CHANNELS = 64

# How the demo adapts: plain SGD, one clip a step, the norms' statistics frozen. Chosen on the
# validation speakers: all biases, the classifier, and the last two pointwise convolutions.
LEARNING_RATE = 0.01
EPOCHS = 5
SCHEME = {
    "stem.norm.bias": 1.0,
    **{f"blocks.{i}.depthwise_norm.bias": 1.0 for i in range(4)},
    **{f"blocks.{i}.pointwise_norm.bias": 1.0 for i in range(4)},
    "blocks.2.pointwise.weight": 1.0,
    "blocks.3.pointwise.weight": 1.0,
    "classifier.weight": 1.0,
    "classifier.bias": 1.0,
}


class SeparableBlock(nn.Sequential):
    """A 3x3 convolution of each channel, then a 1x1 convolution across them."""

    def __init__(self) -> None:
        super().__init__(
            OrderedDict(
                depthwise=nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS, bias=False),
                depthwise_norm=nn.BatchNorm2d(CHANNELS),
                depthwise_relu=nn.ReLU(),
                pointwise=nn.Conv2d(CHANNELS, CHANNELS, 1, bias=False),
                pointwise_norm=nn.BatchNorm2d(CHANNELS),
                pointwise_relu=nn.ReLU(),
            )
        )


class KeywordSpotter(nn.Module):
    """Features [n, 1, 49, 10] -> logits [n, 12] of the demo's words."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(1, CHANNELS, (10, 4), stride=2, padding=(5, 1), bias=False),
                norm=nn.BatchNorm2d(CHANNELS),
                relu=nn.ReLU(),
            )
        )
        self.blocks = nn.Sequential(*(SeparableBlock() for _ in range(4)))
        self.pool = nn.AvgPool2d((25, 5))
        self.classifier = nn.Linear(CHANNELS, len(WORDS))

    def forward(self, features: Tensor) -> Tensor:
        """The logits, one for each of WORDS."""
        return self.classifier(self.pool(self.blocks(self.stem(features))).flatten(1))


def load_pretrained() -> KeywordSpotter:
    """The network as demo/pretrain.py left it, ready for inference."""
    model = KeywordSpotter()
    model.load_state_dict(load_file(WEIGHTS))
    return model.eval()
