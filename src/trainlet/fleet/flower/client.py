"""The ClientApp: a node is one device with a compiled trainer, whose data stay on it.

The node's configuration says where the trainer is: `data="FILE.npz"` for a trainer in the node's
process, `board="/dev/ttyACM0"` for a board behind a serial line, which has its own data.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from trainlet.errors import DataError, TrainletError
from trainlet.fleet.coordinates import check_vector
from trainlet.fleet.flower import secure_client
from trainlet.fleet.flower.strategy import BYTES, MODEL, RIGHT, TASK, UPDATE
from trainlet.fleet.frames import open_stream
from trainlet.fleet.gateway import board_trainer, lesson_of
from trainlet.fleet.member import Member, Recipe, load, work
from trainlet.fleet.message import NOTHING, Task, Update
from trainlet.fleet.people import person
from trainlet.fleet.setting import Setting
from trainlet.run.fit import score
from trainlet.run.trainer import Trainer

BASE, OWN, VALUES, PERSONAL = "base", "own", "values", "personal"

app = ClientApp()


@lru_cache(maxsize=2)
def trained_by(setting: Setting) -> tuple[Recipe, Trainer]:
    """A program and its trainer, which a process compiles once."""
    recipe = setting.recipe()
    return recipe, recipe.program.build("host")


app.query("keys")(secure_client.keys)
app.query("shares")(secure_client.shares)
app.query("reveal")(secure_client.reveal)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Do the task in a message on the node's own data.

    Raises TrainletError in a fleet with secure aggregation: there no update leaves a node alone.
    """
    setting = Setting.load(str(context.run_config["fleet"]))
    if setting.secure_aggregation:
        raise TrainletError("the server asks for an update without masks; this fleet's setting has "
                            "secure_aggregation = true")  # fmt: skip
    update = _learnt(setting, _task(message), context)
    metrics = MetricRecord({"num-examples": Update.decode(update).examples})
    record = RecordDict({UPDATE: ConfigRecord({BYTES: update}), "metrics": metrics})
    return Message(record, reply_to=message)


@app.train("masked")
def train_masked(message: Message, context: Context) -> Message:
    """As `train`; the update leaves the node under masks."""
    setting, task = Setting.load(str(context.run_config["fleet"])), _task(message)
    secure_client.check_round(context, Task.decode(task).round)
    update = Update.decode(_learnt(setting, task, context))
    return secure_client.masked(message, context, trained_by(setting)[0], update)


def _task(message: Message) -> bytes:
    given = message.content.config_records.get(TASK, ConfigRecord()).get(BYTES)
    if not isinstance(given, bytes):
        raise TrainletError("the message has no task")
    return given


def _learnt(setting: Setting, given: bytes, context: Context) -> bytes:
    """The update of a task, which the node's state remembers."""
    recipe, trainer = trained_by(setting)
    board = context.node_config.get("board")
    data = None if board else person(file_of(setting, context), recipe.program).learn
    member = Member(Task.decode(given).device, data, recipe.shared, np.arange(recipe.shared.size))
    _recall(member, context.state)
    if board:
        with open_stream(str(board)) as line, board_trainer(recipe.program, line) as there:
            update = work(there, recipe, member, given, lesson_of)
    else:
        update = work(trainer, recipe, member, given)
    _remember(member, context.state)
    return update


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Count how many of the node's own test examples the fleet's model classifies rightly.

    A node has no test examples if its file has none, if its data are on a board, or if the loss
    has no classes.
    """
    setting = Setting.load(str(context.run_config["fleet"]))
    recipe, trainer = trained_by(setting)
    vector = message.content.array_records[MODEL][MODEL].numpy()
    model = check_vector(vector, recipe.shared.size, "the model")
    on_board = "board" in context.node_config
    test = None if on_board else person(file_of(setting, context), recipe.program).test
    right = total = 0
    if test is not None:
        member = Member(0, None, recipe.shared, np.arange(recipe.shared.size))
        _recall(member, context.state)
        load(trainer, recipe, member, model)
        share = list(score(trainer, test))[-1].accuracy
        if share is not None:
            right, total = round(share * len(test)), len(test)
    metrics = MetricRecord({RIGHT: right, "num-examples": total})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)


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
                        "'data=\"FILE.npz\"' or 'board=\"/dev/ttyACM0\"'")  # fmt: skip
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
