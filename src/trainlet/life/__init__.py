"""What a trained device needs around its trainer, in C and in Python."""

from trainlet.life.correct import correct
from trainlet.life.drift import Drift, Verdict
from trainlet.life.lesson import Learner, Outcome, TrainerLearner, lesson
from trainlet.life.library import PARTS, write_library
from trainlet.life.listen import Listen
from trainlet.life.replay import Replay

__all__ = [
    "PARTS",
    "Drift",
    "Learner",
    "Listen",
    "Outcome",
    "Replay",
    "TrainerLearner",
    "Verdict",
    "correct",
    "lesson",
    "write_library",
]
