"""Meta-train the network of the few-shot demo on drawn symbols: python demo/meta_train.py"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from trainlet.demo.symbol_network import LAYERS, SCALE, WEIGHTS
from trainlet.demo.symbols import symbols
from trainlet.fewshot import Episodes, meta_train, pretrain

SYMBOLS, EACH, EPOCHS, STEPS = 600, 12, 4, 600
KEPT = Path("build")
"""Where an interrupted training goes on from."""


def main() -> None:
    """Train with batch norms, fold them into the convolutions, store the weights."""
    torch.manual_seed(0)
    x, y = symbols(SYMBOLS, EACH, np.random.default_rng(0))
    layers: list[nn.Module] = []
    for before, after, stride in LAYERS:
        conv = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        layers += [conv, nn.BatchNorm2d(after), nn.ReLU()]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    KEPT.mkdir(parents=True, exist_ok=True)
    pretrain(network, x, y, epochs=EPOCHS, checkpoint=KEPT / "symbols.pretrained")
    rule = Episodes((5, 20), 100, queries=5)
    scale = meta_train(
        network, x, y, episodes=rule, steps=STEPS, rate=1e-3, checkpoint=KEPT / "symbols.meta"
    )
    whole = [fuse_conv_bn_eval(network[3 * k], network[3 * k + 1]) for k in range(len(LAYERS))]
    found = {f"{2 * k}.{n}": p for k, conv in enumerate(whole) for n, p in conv.named_parameters()}
    save_file({**{n: p.detach() for n, p in found.items()}, SCALE: torch.tensor([scale])}, WEIGHTS)


if __name__ == "__main__":
    main()
