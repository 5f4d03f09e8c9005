"""Small networks of many families, in plain torch, for tests.

    case = NETWORKS["resnet8"](batch=2)
    logits = case.model(case.x)

Names of parameters are those of the originals where there is one (mobilenet_v2: torchvision's).
"""

from collections.abc import Callable

from .audio_conv1d import audio_conv1d
from .case import Case
from .cct2 import cct2
from .ds_cnn import ds_cnn
from .lenet5 import lenet5
from .mcunet_like import mcunet_like
from .mlp import mlp
from .mobilenet_v1 import mobilenet_v1
from .mobilenet_v2 import mobilenet_v2
from .recurrent import recurrent
from .resnet8 import resnet8
from .se_hardswish import se_hardswish

__all__ = ["NETWORKS", "Case"]

NETWORKS: dict[str, Callable[[int], Case]] = {
    build.__name__: build
    for build in (
        mlp,
        lenet5,
        ds_cnn,
        resnet8,
        mobilenet_v1,
        mobilenet_v2,
        mcunet_like,
        se_hardswish,
        audio_conv1d,
        cct2,
        recurrent,
    )
}
