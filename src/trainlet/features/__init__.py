"""Front ends: from a sensor's samples to the input of a network, as modules of torch.

Put one before a network, `torch.nn.Sequential(tl.features.mfcc(), network)`, and it becomes part of
the graph and of the C.  Nothing in a front end learns, and in an int8 network it stays float32.
"""

from trainlet.features.audio import LogMel, Mfcc, log_mel, mfcc
from trainlet.features.signals import Camera, Heartbeat, Motion, camera, heartbeat, motion

__all__ = [
    "Camera",
    "Heartbeat",
    "LogMel",
    "Mfcc",
    "Motion",
    "camera",
    "heartbeat",
    "log_mel",
    "mfcc",
    "motion",
]
