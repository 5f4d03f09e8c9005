"""The public names.  They import torch and all the rest, which takes seconds."""

import trainlet.adapt as adapt
import trainlet.export as export
import trainlet.features as features
import trainlet.fewshot as fewshot
import trainlet.privacy as privacy
import trainlet.run.state as state
import trainlet.schemes as schemes
import trainlet.torch  # noqa: F401 - found as tl.torch, but no name of `import *`
from trainlet.accounting import Accounts, account, published
from trainlet.comparison import Comparison, check
from trainlet.compiled import CompiledProgram
from trainlet.compiler import compile, plan, prepare, train
from trainlet.errors import TrainletError
from trainlet.frontends.network import load
from trainlet.ir.scheme import UpdateScheme
from trainlet.ops.objective import Loss
from trainlet.ops.optimizer import SGD, Adam, RMSprop
from trainlet.ops.penalty import L2, Proximal
from trainlet.ops.quantized.precision import Int8
from trainlet.passes.loss_in_chunks import loss_in_chunks
from trainlet.passes.update import Training
from trainlet.planning.report import Report
from trainlet.planning.target import Target
from trainlet.privacy.audit import audit
from trainlet.run.counted import Profile
from trainlet.run.oracle import evaluate, forward
from trainlet.run.simulation.simulation import Simulation, simulate
from trainlet.run.trainer import Trainer

__all__ = [
    "L2",
    "SGD",
    "Accounts",
    "Adam",
    "Comparison",
    "CompiledProgram",
    "Int8",
    "Loss",
    "Profile",
    "Proximal",
    "RMSprop",
    "Report",
    "Simulation",
    "Target",
    "Trainer",
    "Training",
    "TrainletError",
    "UpdateScheme",
    "account",
    "adapt",
    "audit",
    "check",
    "compile",
    "evaluate",
    "export",
    "features",
    "fewshot",
    "forward",
    "load",
    "loss_in_chunks",
    "plan",
    "prepare",
    "privacy",
    "published",
    "schemes",
    "simulate",
    "state",
    "train",
]
