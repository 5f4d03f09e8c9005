"""A gateway: a member of the fleet whose trainer is a board at the end of a stream of bytes.

The board keeps its data and trains on them.  The gateway sends it the model, fetches its trained
state, and takes part in the fleet in its place: what the fleet sees is what any member sends.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from trainlet.backends.interface import interface_of
from trainlet.compiled import CompiledProgram
from trainlet.errors import DeviceFault, UnsupportedError
from trainlet.fleet.frames import (
    ACK,
    ASK,
    DATA,
    DONE,
    HELLO,
    INIT,
    LOAD,
    PUT,
    SAVE,
    TRAIN,
    Frame,
    Frames,
    Stream,
)
from trainlet.fleet.member import Lesson
from trainlet.fleet.message import Task
from trainlet.planning.blob import check_length
from trainlet.run.device import Closing, Inputs, Targets, check
from trainlet.run.simulated import OracleDevice
from trainlet.run.trainer import Trainer

NAMES = {HELLO: "hello", INIT: "init", LOAD: "load", TRAIN: "train", SAVE: "save"}


@dataclass
class Patience:
    """seconds: until a request is sent again; tries: how often, before the board counts as gone;
    training: seconds until a board that trains counts as gone"""

    seconds: float = 1.0
    tries: int = 30
    training: float = 3600.0


class BoardDevice(Closing):
    """A `Device` whose state is a board's.  It predicts and steps nothing here: its data are there.

    Raises DeviceFault where the board does not answer, or runs another program.
    """

    instructions: int | None = None

    def __init__(
        self, program: CompiledProgram, stream: Stream, patience: Patience | None = None
    ) -> None:
        self.program, self.interface = program, interface_of(program)
        self._frames, self._patience = Frames(stream), patience or Patience()
        self._sequence = 0
        self._blob: bytes | None = None  # the board's state, where it is known
        bytes_there, _ = self._request(HELLO)
        if bytes_there != self.interface.blob_bytes:
            wanted = self.interface.blob_bytes
            raise DeviceFault(f"the board's state has {bytes_there} bytes, this program's "
                              f"{wanted}; flash this program's trainer")  # fmt: skip

    def init(self) -> None:
        self._blob = None
        self._request(INIT)
        with Trainer(self.program, OracleDevice(self.program)) as fresh:
            self._blob = fresh.save()

    def save(self) -> bytes:
        if self._blob is None:
            received = bytearray(self.interface.blob_bytes)
            self._request(SAVE, into=received)
            self._blob = bytes(received)
        return self._blob

    def load(self, blob: bytes) -> None:
        check_length(blob, self.interface.blob_bytes)
        self._request(LOAD, source=blob)
        self._blob = bytes(blob)

    def train(self, epochs: int, seed: int, lr: float) -> Lesson:
        """Let the board train on its own data; what it learnt from, and its mean loss."""
        self._blob = None
        examples, loss = self._request(TRAIN, struct.pack("<IIf", epochs, seed, lr))
        return Lesson(examples, loss)

    def predict(self, inputs: Inputs) -> np.ndarray:
        raise UnsupportedError("a board's data are on the board: it predicts there")

    def step(self, inputs: Inputs, target: Targets, lr: float) -> float:
        raise UnsupportedError("a board's data are on the board: call train")

    def observe(self, inputs: Inputs, target: Targets) -> None:
        raise UnsupportedError("a board's data are on the board")

    def stack_used(self) -> int:
        return 0

    def close(self) -> None: ...

    def _request(
        self, kind: int, payload: bytes = b"", source: bytes = b"", into: bytearray | None = None
    ) -> tuple[int, float]:
        """The two words of the answer; what the board asks for or sends meanwhile is handled."""
        self._sequence = self._sequence % 255 + 1
        request = Frame(kind, self._sequence, payload)
        patience = self._patience
        most = patience.training / patience.seconds if kind == TRAIN else patience.tries
        silent = 0
        self._frames.send(request)
        while silent < most:
            frame = self._frames.receive(patience.seconds)
            if frame is None:
                silent += 1
                if kind != TRAIN or silent & (silent - 1) == 0:  # a board that trains reads nothing
                    self._frames.send(request)
                continue
            if frame.sequence != self._sequence:
                continue
            if frame.kind == DONE and len(frame.payload) == 16 and frame.payload[0] == kind:
                status, word, real = struct.unpack("<iIf", frame.payload[4:])
                check(status, NAMES[kind])
                return word, real
            answer = self._transfer(frame, source, into)
            if answer is not None:
                self._frames.send(Frame(*answer))
        raise DeviceFault(f"the board did not answer {NAMES[kind]}; look at its line")

    def _transfer(
        self, frame: Frame, source: bytes, into: bytearray | None
    ) -> tuple[int, int, bytes] | None:
        """The answer to a board that asks for a part of a state, or sends one."""
        if frame.kind == ASK and len(frame.payload) == 8:
            offset, size = struct.unpack("<II", frame.payload)
            if offset + size <= len(source):
                return DATA, frame.sequence, frame.payload[:4] + source[offset : offset + size]
        if frame.kind == PUT and into is not None and len(frame.payload) > 4:
            (offset,) = struct.unpack_from("<I", frame.payload)
            part = frame.payload[4:]
            if offset + len(part) <= len(into):
                into[offset : offset + len(part)] = part
                return ACK, frame.sequence, frame.payload[:4]
        return None


def board_trainer(
    program: CompiledProgram, stream: Stream, patience: Patience | None = None
) -> Trainer:
    """The trainer of a board, for `trainlet.fleet.member.work` with `lesson_of`."""
    return Trainer(program, BoardDevice(program, stream, patience))


def lesson_of(trainer: Trainer, task: Task) -> Lesson:
    """The lesson of a task, on the board."""
    device = trainer.device
    assert isinstance(device, BoardDevice)
    lr = trainer.program.lr if np.isnan(task.lr) else task.lr
    return device.train(task.epochs, task.seed, lr)
