"""A small residual network, its training program, and what one step of a device gives."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from torch import Tensor, nn

import trainlet as tl
from trainlet.compiled import CompiledProgram
from trainlet.errors import TrainletError
from trainlet.ir.graph import Node
from trainlet.planning.plan import Plan
from trainlet.planning.program import Stage, training_stages
from trainlet.run.simulated import ArenaDevice, OracleDevice
from zoo import Case
from zoo.case import make_case


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(4 * 36, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.first(x))  # [N, 4, 6, 6]
        x = self.relu(x + self.second(x))
        return self.fc(x.flatten(1))


@cache
def case() -> Case:
    return make_case(Residual, (3, 6, 6), 3, batch=1)


@cache
def program() -> CompiledProgram:
    """Everything learns; old values are not kept."""
    return learning(rollback=False)


@cache
def learning(**options: object) -> CompiledProgram:
    """Everything learns."""
    given = case()
    scheme = tl.schemes.full(given.model)
    return tl.compile(given.model, given.x, scheme, target="host", **options)  # type: ignore[arg-type]


def node(op: str, name: str = "", k: int = 0) -> Node:
    """The k-th node of the program's plan with this op and name."""
    found = [n for n in program().plan.order if n.op == op and (not name or n.name == name)]
    return found[k]


def moved(offsets: dict[Node, int]) -> Plan:
    """The program's plan with other addresses."""
    plan = program().plan
    return replace(plan, offset={**plan.offset, **offsets})


def reordered(n: Node, before: Node) -> Plan:
    """The program's plan with n run just before another node."""
    order = [m for m in program().plan.order if m is not n]
    order.insert(order.index(before), n)
    return replace(program().plan, order=tuple(order))


def step(device: type[ArenaDevice] | type[OracleDevice], plan: Plan | None = None) -> bytes:
    """Logits, loss and state after one step, as bytes; an error's name if there is one."""
    given, made = case(), program()
    if plan is not None:
        made = replace(made, stages=training_stages(Stage(made.graph, plan)))
    trainer = tl.Trainer(made, device(made))
    try:
        logits = trainer.predict(given.x)
        loss = np.float32(trainer.step(given.x, given.y, lr=0.5))
    except (TrainletError, ValueError, KeyError) as error:
        return type(error).__name__.encode()
    return logits.tobytes() + loss.tobytes() + trainer.save()
