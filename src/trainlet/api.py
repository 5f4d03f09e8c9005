"""The public names.  They import torch and all the rest, which takes seconds."""

import trainlet.run.state as state
import trainlet.schemes as schemes
from trainlet.backends.target import Target
from trainlet.comparison import Comparison, check
from trainlet.compiler import CompiledProgram, compile, evaluate, forward, load
from trainlet.errors import TrainletError
from trainlet.ir.scheme import UpdateScheme
from trainlet.ops.loss import Loss
from trainlet.ops.optimizer import SGD, Adam, RMSprop
from trainlet.ops.quantized.precision import Int8
from trainlet.plan.report import Report
from trainlet.run.counted import Profile
from trainlet.run.simulation.simulation import Simulation, simulate
from trainlet.run.trainer import Trainer

__all__ = [
    "SGD",
    "Adam",
    "Comparison",
    "CompiledProgram",
    "Int8",
    "Loss",
    "Profile",
    "RMSprop",
    "Report",
    "Simulation",
    "Target",
    "Trainer",
    "TrainletError",
    "UpdateScheme",
    "check",
    "compile",
    "evaluate",
    "forward",
    "load",
    "schemes",
    "simulate",
    "state",
]
