"""The gateway and the C library of a board, over lines that lose and damage bytes."""

import shutil
import socket
import subprocess

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from fleet.board.boards import Process, host_board, learn_in_boards_order, m7_board
from trainlet.backends.toolchain import ARM_GCC
from trainlet.errors import DeviceFault
from trainlet.fleet.encoding import encoding
from trainlet.fleet.frames import FileStream, Frame, Frames, open_stream
from trainlet.fleet.gateway import Patience, board_trainer, lesson_of
from trainlet.fleet.member import Member, Recipe, work
from trainlet.fleet.message import Update
from trainlet.fleet.server import Server

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 40)).astype(np.float32)
Y = RNG.integers(0, 3, 12)
FAST = Patience(seconds=0.1, tries=100)


@pytest.fixture(scope="module")
def program() -> tl.CompiledProgram:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(40, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    return tl.compile(net, torch.zeros(1, 40), "full", target="cortex-m7", optimizer=tl.SGD(0.05))


@pytest.fixture(scope="module")
def host(program, tmp_path_factory) -> list:
    return host_board(program, tmp_path_factory.mktemp("board"), X, Y)


def learnt(program, epochs: int, seed: int) -> tuple[dict[str, np.ndarray], float]:
    """What the board's C has to learn, with the same order of examples."""
    with program.build("host") as trainer:
        losses = learn_in_boards_order(trainer, X, Y, epochs, seed)
        return trainer.state(), float(np.mean(losses))


def check_learning(program, stream) -> None:
    """The gateway's board learns to the bit what the host learns."""
    with board_trainer(program, stream, FAST) as trainer:
        start = trainer.state()
        trainer.load_state({name: value + 1 for name, value in start.items()})
        trainer.device._blob = None  # type: ignore[attr-defined] - ask the board
        assert all(np.array_equal(trainer.state()[k], start[k] + 1) for k in start)
        trainer.reset()
        lesson = trainer.device.train(2, 77, program.lr)  # type: ignore[attr-defined]
        wanted, loss = learnt(program, 2, 77)
        assert lesson.examples == len(X) and lesson.loss == pytest.approx(loss, rel=1e-5)
        found = trainer.state()
        assert all(found[name].tobytes() == wanted[name].tobytes() for name in wanted)


def test_a_board_learns_over_a_pipe(program, host) -> None:
    with Process(host) as stream:
        check_learning(program, stream)


@pytest.mark.qemu
def test_a_board_learns_on_an_emulated_m7(program, tmp_path) -> None:
    if not shutil.which(ARM_GCC) or not shutil.which("qemu-system-arm"):
        pytest.skip("no arm-none-eabi-gcc or qemu-system-arm")
    with Process(m7_board(program, tmp_path, X, Y)) as stream:
        check_learning(program, stream)


class Line:
    """A stream with faults, in both directions."""

    def __init__(self, stream, seed: int, rate: float = 0.002, broken: range = range(0)) -> None:
        self.stream, self.rng, self.rate = stream, np.random.default_rng(seed), rate
        self.broken, self.writes, self.faults = broken, 0, 0

    def noisy(self, data: bytes) -> bytes:
        found = bytearray()
        for byte in data:
            kind = self.rng.random() / self.rate
            self.faults += kind < 1
            if kind < 0.4:
                continue  # lost
            found.append(byte ^ 0x10 if kind < 0.8 else byte)
            if 0.8 <= kind < 1:
                found.append(byte)  # twice
        return bytes(found)

    def read(self, seconds: float) -> bytes:
        return self.noisy(self.stream.read(seconds))

    def write(self, data: bytes) -> None:
        self.writes += 1
        if self.writes not in self.broken:
            self.stream.write(self.noisy(data))


def test_what_a_line_loses_or_damages_is_sent_again(program, host) -> None:
    with Process(host) as stream:
        line = Line(stream, seed=1)
        check_learning(program, line)
        assert line.faults >= 5


def test_a_transfer_continues_where_the_line_broke(program, host) -> None:
    """In the middle of a load, everything that the gateway writes is lost for a while."""
    with Process(host) as stream:
        check_learning(program, Line(stream, 2, 1e-9, broken=range(10, 14)))


def test_a_fleet_with_a_board_behind_a_socket(program, host) -> None:
    """What the fleet sees of it is what any member sends."""
    ours, theirs = socket.socketpair()
    recipe = Recipe(program, encoding("none"))
    server = Server(recipe.shared, recipe.start, {recipe.fingerprint: recipe.shared}, [0],
                    recipe.encoding)  # fmt: skip
    member = Member(0, None, recipe.shared, np.arange(recipe.shared.size))
    with ours, theirs:
        process = subprocess.Popen(host, stdin=theirs, stdout=theirs)
        theirs.close()
        stream = FileStream(ours.fileno(), ours.fileno())
        with board_trainer(program, stream, FAST) as trainer:
            message = work(trainer, recipe, member, server.task(0, seed=5), lesson_of)
    assert process.wait(10) == 0
    assert Update.decode(message).examples == len(X)
    assert server.offer(message).accepted
    server.finish()
    wanted, _ = learnt(program, 1, 5)
    assert np.allclose(server.model, recipe.shared.take(wanted), atol=1e-6)


def test_a_board_with_another_program_or_none_is_refused(program, host) -> None:
    net = nn.Sequential(nn.Linear(40, 3)).eval()
    other = tl.compile(net, torch.zeros(1, 40), "full", target="cortex-m7")
    with Process(host) as stream, pytest.raises(DeviceFault, match="flash this program's trainer"):
        board_trainer(other, stream, FAST)
    with Process(["cat"]) as stream, pytest.raises(DeviceFault, match="did not answer hello"):
        board_trainer(program, stream, Patience(0.01, 3))
    with pytest.raises(tl.errors.FileError, match="tcp:HOST:PORT"):
        open_stream("tcp:nowhere")


def test_frames_are_found_in_noise() -> None:
    frames = [Frame(kind, kind, bytes(range(kind))) for kind in (1, 2, 130)]
    data = b"\xa5\xa5noise" + frames[0].encode() + b"\xa5" + frames[1].encode()[:-1] + b"!"
    data += b"\xa5\x01\x01\xff\xff" + frames[2].encode()

    class Held:
        left = data

        def read(self, seconds: float) -> bytes:
            part, self.left = self.left[:3], self.left[3:]
            return part

        def write(self, data: bytes) -> None: ...

    reader = Frames(Held())
    found = [reader.receive(0.2), reader.receive(0.2), reader.receive(0.01)]
    assert found == [frames[0], frames[2], None]
