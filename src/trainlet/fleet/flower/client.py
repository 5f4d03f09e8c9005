"""The ClientApp: a node is one device with a compiled trainer, whose data stay on it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from trainlet.errors import DataError, TrainletError
from trainlet.fleet.flower.strategy import BYTES, TASK, UPDATE
from trainlet.fleet.member import Member, Recipe, work
from trainlet.fleet.message import NOTHING, Task
from trainlet.fleet.people import person
from trainlet.fleet.setting import Setting
from trainlet.run.trainer import Trainer

BASE, OWN, VALUES, PERSONAL = "base", "own", "values", "personal"

app = ClientApp()


@lru_cache(maxsize=2)
def trained_by(setting: Setting) -> tuple[Recipe, Trainer]:
    """A program and its trainer, which a process compiles once."""
    recipe = setting.recipe()
    return recipe, recipe.program.build("host")


@app.train()
def train(message: Message, context: Context) -> Message:
    """Do the task in a message on the node's own data."""
    setting = Setting.load(str(context.run_config["fleet"]))
    recipe, trainer = trained_by(setting)
    given = message.content.config_records.get(TASK, ConfigRecord()).get(BYTES)
    if not isinstance(given, bytes):
        raise TrainletError("the message has no task")
    data = person(file_of(setting, context), recipe.program).learn
    index = np.arange(recipe.shared.size)
    member = Member(Task.decode(given).device, data, recipe.shared, index)
    _recall(member, context.state)
    update = work(trainer, recipe, member, given)
    _remember(member, context.state)
    metrics = MetricRecord({"num-examples": len(data)})
    record = RecordDict({UPDATE: ConfigRecord({BYTES: update}), "metrics": metrics})
    return Message(record, reply_to=message)


def file_of(setting: Setting, context: Context) -> Path:
    """The node's data: the file that its configuration names as `data`, or in a simulation the
    file number `partition-id` of the setting's folder.

    Raises DataError where there is none.
    """
    if "data" in context.node_config:
        return Path(str(context.node_config["data"]))
    files = sorted(Path(setting.data).glob("*.npz")) if setting.data else []
    number = context.node_config.get("partition-id")
    if not isinstance(number, int) or not 0 <= number < len(files):
        raise DataError(f"the node has partition-id {number!r} and the folder {setting.data!r} "
                        f"{len(files)} files; start it with --node-config "
                        "'data=\"FILE.npz\"'")  # fmt: skip
    return files[number]


def _remember(member: Member, state: RecordDict) -> None:
    """Keep in Flower's state of this node what a member keeps; it never leaves the node."""
    state[BASE] = ConfigRecord({BASE: member.base})
    assert member.model is not None and member.rest is not None
    own = {VALUES: member.model, "rest": member.rest}
    state[OWN] = ArrayRecord({name: Array(array) for name, array in own.items()})
    arrays = {name: Array(array) for name, array in member.personal.items()}
    state[PERSONAL] = ArrayRecord(arrays)


def _recall(member: Member, state: RecordDict) -> None:
    """The opposite, where there is something."""
    if OWN not in state:
        return
    base = state.config_records[BASE][BASE]
    assert isinstance(base, int)
    own = state.array_records[OWN]
    member.base, member.model, member.rest = base, own[VALUES].numpy(), own["rest"].numpy()
    personal = state.array_records[PERSONAL]
    member.personal = {name: array.numpy() for name, array in personal.items()}
    assert member.base >= NOTHING
