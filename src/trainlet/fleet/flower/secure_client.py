"""A node's side of secure aggregation over Flower: what it keeps between the four messages.

The messages are `query.keys`, `query.shares`, `train.masked` and `query.reveal`.  Flower may give
each of them to another process, so the participant lies in Flower's state of the node, which never
leaves it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Context, Message, RecordDict

from trainlet.errors import StateError
from trainlet.fleet.encoding import decoded
from trainlet.fleet.flower.strategy import BYTES
from trainlet.fleet.member import Recipe
from trainlet.fleet.message import Update
from trainlet.fleet.secure.keys import KEY_BYTES, PublicKeys
from trainlet.fleet.secure.protocol import Participant
from trainlet.fleet.secure.round import SecureAggregation

SECURE = "secure"
"""The record of each message, and of the participant in the node's state."""
WHO, TEXTS, ROUND, NUMBER, SECRETS, SENT = "who", "texts", "round", "number", "secrets", "sent"


def pairs(record: ConfigRecord) -> dict[int, bytes]:
    """{device: bytes} of a record that `paired` made; raises StateError for another."""
    who: Any = record.get(WHO)
    texts: Any = record.get(TEXTS)
    if not (isinstance(who, list) and isinstance(texts, list) and len(who) == len(texts)):
        raise StateError("the message of secure aggregation does not name devices and their bytes")
    if not all(type(one) is int for one in who) or not all(type(t) is bytes for t in texts):
        raise StateError("the message of secure aggregation has a device or bytes of another type")
    return dict(zip(who, texts, strict=True))


def paired(texts: dict[int, bytes], **more: Any) -> ConfigRecord:
    """A record of {device: bytes}, and of other values."""
    return ConfigRecord({WHO: list(texts), TEXTS: list(texts.values()), **more})


def public_keys(told: dict[int, bytes]) -> dict[int, PublicKeys]:
    """Both keys of each device, which are sent as 64 bytes; raises StateError for others."""
    if any(len(text) != 2 * KEY_BYTES for text in told.values()):
        raise StateError(f"a device told keys of another length than {2 * KEY_BYTES} bytes")
    return {one: PublicKeys(text[:KEY_BYTES], text[KEY_BYTES:]) for one, text in told.items()}


def keys(message: Message, context: Context) -> Message:
    """Message 1: begin a round with new keys, and tell the public ones."""
    asked = _asked(message)
    participant = Participant(_whole(asked, NUMBER))
    _keep(participant, _whole(asked, ROUND), context)
    told = participant.advertise()
    return _answer(message, ConfigRecord({BYTES: told.sealing + told.masking}))


def shares(message: Message, context: Context) -> Message:
    """Message 2: from the keys of all, the shares for each other device."""
    asked = _asked(message)
    participant = _kept(context, _whole(asked, ROUND))
    known = public_keys(pairs(asked))
    nodes = int(str(context.run_config["nodes"]))
    if len(known) > nodes:
        raise StateError(f"{len(known)} devices told keys; the fleet has {nodes}")
    sealed = participant.share(known, SecureAggregation().threshold(len(known)))
    _keep(participant, _whole(asked, ROUND), context)
    return _answer(message, paired(sealed))


def masked(message: Message, context: Context, recipe: Recipe, update: Update) -> Message:
    """Message 3: the update under masks."""
    participant = _kept(context, update.round)
    if update.device != participant.number:
        raise StateError(f"the task is for device {update.device}, the keys are of device "
                         f"{participant.number}")  # fmt: skip
    points = SecureAggregation().fixed_point(int(str(context.run_config["nodes"])))
    values = points.encode(decoded(update.payload, recipe.shared.sizes), update.examples)
    hidden = participant.mask(values, pairs(_asked(message)))
    _keep(participant, update.round, context)
    return _answer(message, ConfigRecord({BYTES: hidden.astype("<u4").tobytes()}))


def reveal(message: Message, context: Context) -> Message:
    """Message 4: shares of the secrets that the server needs; the participant is then deleted."""
    asked = _asked(message)
    participant = _kept(context, _whole(asked, ROUND))
    said = participant.reveal(frozenset(pairs(asked)))
    del context.state[SECURE]
    both = {**said.seeds, **said.keys}
    return _answer(message, paired(both, seeds=len(said.seeds)))


def check_round(context: Context, round: int) -> None:
    """Raises StateError unless the node has begun this round of secure aggregation: before it
    trains, since an update cannot leave it otherwise."""
    _kept(context, round)


def _asked(message: Message) -> ConfigRecord:
    return message.content.config_records.get(SECURE, ConfigRecord())


def _answer(message: Message, record: ConfigRecord) -> Message:
    return Message(RecordDict({SECURE: record}), reply_to=message)


def _whole(record: ConfigRecord, name: str) -> int:
    value = record.get(name)
    if type(value) is not int or value < 0:
        raise StateError(f"the message of secure aggregation has {name} = {value!r}; allowed: a "
                         "number, at least 0")  # fmt: skip
    return value


def _keep(one: Participant, round: int, context: Context) -> None:
    """The participant as plain values in the node's state."""
    context.state[SECURE] = paired(
        {other: key.sealing + key.masking for other, key in one.keys.items()},
        holders=list(one.held), held=list(one.held.values()),
        secrets=[one.sealing, one.masking, one.seed], sent=[one.masked, one.revealed],
        number=one.number, threshold=one.threshold, round=round,
    )  # fmt: skip


def _kept(context: Context, round: int) -> Participant:
    """The participant of this round; raises StateError where the node has none."""
    record: Any = context.state.config_records.get(SECURE, ConfigRecord())
    if record.get(ROUND) != round:
        raise StateError(f"this node has told no keys for round {round}")
    held = dict(zip(record["holders"], record["held"], strict=True))
    sealing, masking, seed = record[SECRETS]
    masked, revealed = record[SENT]
    return Participant(
        record[NUMBER], sealing, masking, seed, record["threshold"], public_keys(pairs(record)),
        held, bool(masked), bool(revealed),
    )  # fmt: skip


def as_values(text: object, size: int) -> np.ndarray:
    """uint32 [size] of the bytes of message 3; raises StateError for others."""
    if not isinstance(text, bytes) or len(text) != 4 * size:
        raise StateError(f"masked values are not {size} numbers of 4 bytes")
    return np.frombuffer(text, "<u4").astype(np.uint32)
