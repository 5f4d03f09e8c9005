"""What a trained device needs around its trainer, in C and in Python."""

from trainlet.life.lesson import Learner, Outcome, TrainerLearner, lesson
from trainlet.life.library import PARTS, write_library
from trainlet.life.replay import Replay

__all__ = [
    "PARTS",
    "Learner",
    "Outcome",
    "Replay",
    "TrainerLearner",
    "lesson",
    "write_library",
]
