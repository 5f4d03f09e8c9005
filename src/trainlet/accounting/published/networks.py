"""The networks of the papers, as data.

Block(kernel, expanded channels, channels, stride).  ProxylessNAS-Mobile: Cai et al., 2019;
MobileNetV2: Sandler et al., 2018; the three small ones: Lin et al., 2022, for images of 128x128.
"""

from __future__ import annotations

from trainlet.accounting.published.layers import Block, Network


def _network(name: str, stem: int, blocks: str, mix: int = 0) -> Network:
    """From lines of 'kernel expanded channels stride', one block each, separated by commas."""
    numbers = (map(int, block.split()) for block in blocks.split(","))
    return Network(name, stem, tuple(Block(*each) for each in numbers), mix)


PROXYLESS_MOBILE = _network(
    "ProxylessNAS-Mobile",
    32,
    """3 32 16 1,
       5 48 32 2, 3 96 32 1,
       7 96 40 2, 3 120 40 1, 5 120 40 1, 5 120 40 1,
       7 240 80 2, 5 240 80 1, 5 240 80 1, 5 240 80 1,
       5 480 96 1, 5 288 96 1, 5 288 96 1, 5 288 96 1,
       7 576 192 2, 7 1152 192 1, 7 576 192 1, 7 576 192 1,
       7 1152 320 1""",
    1280,
)
MOBILENET_V2 = _network(
    "MobileNetV2",
    32,
    """3 32 16 1,
       3 96 24 2, 3 144 24 1,
       3 144 32 2, 3 192 32 1, 3 192 32 1,
       3 192 64 2, 3 384 64 1, 3 384 64 1, 3 384 64 1,
       3 384 96 1, 3 576 96 1, 3 576 96 1,
       3 576 160 2, 3 960 160 1, 3 960 160 1,
       3 960 320 1""",
    1280,
)
MCUNET_5FPS = _network(
    "mcunet-5fps",
    16,
    """3 16 8 1,
       3 32 16 2, 3 48 16 1,
       7 48 24 2, 3 120 24 1,
       3 120 40 2, 7 160 40 1,
       5 160 48 1, 3 144 48 1, 3 192 48 1,
       7 240 96 2, 5 384 96 1, 5 384 96 1,
       3 576 160 1""",
)
MOBILENET_V2_035 = _network(
    "mbv2-w0.35",
    16,
    """3 16 8 1,
       3 48 8 2, 3 48 8 1,
       3 48 16 2, 3 96 16 1, 3 96 16 1,
       3 96 24 2, 3 144 24 1, 3 144 24 1, 3 144 24 1,
       3 144 32 1, 3 192 32 1, 3 192 32 1,
       3 192 56 2, 3 336 56 1, 3 336 56 1,
       3 336 112 1""",
)
PROXYLESS_03 = _network(
    "proxyless-w0.3",
    16,
    """3 16 8 1,
       5 24 16 2, 3 48 16 1,
       7 48 16 2, 3 48 16 1, 5 48 16 1, 5 48 16 1,
       7 96 24 2, 5 72 24 1, 5 72 24 1, 5 72 24 1,
       5 144 32 1, 5 96 32 1, 5 96 32 1, 5 96 32 1,
       7 192 64 2, 7 384 64 1, 7 192 64 1, 7 192 64 1,
       7 384 96 1""",
)
INT8 = {network.name: network for network in (MCUNET_5FPS, MOBILENET_V2_035, PROXYLESS_03)}
