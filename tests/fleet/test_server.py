"""The server alone: what it takes, what it refuses, and what it makes of it."""

import numpy as np
import pytest

import trainlet as tl
from trainlet.errors import StateError
from trainlet.fleet.coordinates import Coordinates, union
from trainlet.fleet.encoding import decoded, encoding
from trainlet.fleet.guard import Limits
from trainlet.fleet.message import NOTHING, Task, Update, split
from trainlet.fleet.server import Server

WHOLE = Coordinates({"b": np.ones(3, bool), "w": np.ones((2, 4), bool)})
LEFT = Coordinates({"w": np.array([[1, 1, 0, 0]] * 2, bool)})
RIGHT = Coordinates({"w": np.array([[0, 1, 1, 1]] * 2, bool)})
ONE, OTHER = 0xA, 0xB
START = np.arange(11, dtype=np.float32)


def a_server(**more) -> Server:
    given = {"kinds": {ONE: WHOLE}, "devices": range(5), "encoding": encoding("none"), **more}
    return Server(WHOLE, START, **given)


def written(array: np.ndarray) -> bytes:
    """As `encode` writes it, also of values that it refuses."""
    sizes = {11: [3, 8]}.get(array.size, [array.size])
    finite = encoding("none").encode(np.zeros(array.size), sizes)
    at = 0
    for size, part in zip(sizes, np.split(array, np.cumsum(sizes)[:-1]), strict=True):
        finite = finite[: at + 6] + part.astype("<f4").tobytes() + finite[at + 6 + 4 * size :]
        at += 6 + 4 * size
    return finite


def update(device: int, values, round: int = 1, mark: int = ONE, examples: int = 1) -> bytes:
    array = np.full(11, values, np.float32) if np.ndim(values) == 0 else np.asarray(values)
    payload = written(array)
    return Update(round, device, mark, examples, 0.5, payload).encode()


def test_a_round_averages_by_examples() -> None:
    server = a_server()
    for device, value, examples in ((0, 1.0, 1), (1, 2.0, 3)):
        assert server.offer(update(device, value, examples=examples)).accepted
    assert server.finish() == 2 and server.round == 1
    assert np.array_equal(server.model, START + 1.75)


def test_each_coordinate_is_averaged_over_the_devices_that_train_it() -> None:
    fleet = union([LEFT, RIGHT])
    server = Server(
        fleet, np.zeros(8, np.float32), {ONE: LEFT, OTHER: RIGHT}, range(2), encoding("none")
    )
    server.offer(update(0, np.full(4, 1.0)))
    server.offer(update(1, np.full(6, 3.0), mark=OTHER))
    server.finish()
    assert server.model.tolist() == [1, 2, 3, 3] * 2


BAD = {
    "late": (update(1, 1.0, round=0), "late"),
    "early": (update(1, 1.0, round=7), "early"),
    "repeated": (update(0, 1.0), "repeated"),
    "a stranger": (update(99, 1.0), "not one of the 5 devices"),
    "another program": (update(1, 1.0, mark=OTHER), "another program"),
    "no examples": (update(1, 1.0, examples=0), "says 0 examples"),
    "too many examples": (update(1, 1.0, examples=10**9), "1000000000 examples"),
    "NaN": (update(1, np.full(11, np.nan)), "NaN"),
    "infinity": (update(1, np.full(11, np.inf)), "NaN or infinity"),
    "a wrong shape": (update(1, np.ones(7)), "damaged at byte"),
    "cut short": (update(1, 1.0)[:-5], "checksum"),
    "a bit that flipped": (update(1, 1.0)[:-9] + b"!" + update(1, 1.0)[-8:], "checksum"),
    "no update": (b"hello", "not an update"),
    "nothing": (b"", "not an update"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_message_is_refused_and_changes_nothing(name: str) -> None:
    message, reason = BAD[name]
    server = a_server()
    server.offer(update(0, 1.0))
    verdict = server.offer(message)
    assert not verdict.accepted and reason in str(verdict)
    assert server.finish() == 1
    assert np.array_equal(server.model, START + 1)


@pytest.mark.parametrize(
    ("value", "mean", "said"),
    [
        (-4.0, (4 - 2) / 5, "bounded: it is larger than 2 times the round's median"),
        (-1000.0, 1.0, "refused: it is larger than 5 times the round's median"),
    ],
)
def test_a_scaled_update_is_bounded_or_refused(value, mean, said) -> None:
    server = a_server(limits=Limits(bound=2.0, outlier=5.0))
    for device, change in enumerate((1.0, 1.0, 1.0, 1.0, value)):
        server.offer(update(device, change))
    assert server.finish() == (5 if said.startswith("bounded") else 4)
    assert np.allclose(server.model, START + mean)
    (verdict,) = [str(v) for v in server.verdicts if v.reason]
    assert verdict == f"round 1: device 4 {said}"


def test_the_order_of_arrival_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    messages = [update(k, rng.normal(size=11) * 1.5**k, examples=k + 1) for k in range(5)]
    models = []
    for order in ([0, 1, 2, 3, 4], [3, 1, 4, 0, 2]):
        server = a_server()
        for k in order:
            server.offer(messages[k])
        server.finish()
        models.append(server.model.tobytes())
    assert models[0] == models[1]


def test_a_round_without_updates_leaves_the_model() -> None:
    server = a_server()
    assert server.finish() == 0
    assert server.round == 1 and np.array_equal(server.model, START)


def follow(server: Server, model: np.ndarray, base: int) -> np.ndarray:
    """The model of a device, brought up to date by a task."""
    task = Task.decode(server.task(0, base))
    if task.base == NOTHING:
        return np.frombuffer(task.payload[4:], "<f4")
    for part in split(task.payload):
        model = model + decoded(part, server.coordinates.sizes)
    return model


def test_changes_bring_every_device_to_the_servers_bits() -> None:
    """Also one that missed a round; the rest of int8 is not lost but sent later."""
    rng, server = np.random.default_rng(1), a_server(encoding=encoding("int8"))
    own, exact = START, START.astype(np.float64)
    for round in range(1, 7):
        change = rng.normal(size=11).astype(np.float32)
        payload = encoding("int8").encode(change, WHOLE.sizes)
        exact += decoded(payload, WHOLE.sizes)
        server.offer(Update(round, 0, ONE, 1, 0.0, payload).encode())
        server.finish()
        if round % 2:  # it is away in rounds 2, 4, 6
            own = follow(server, own, round - 2 if round > 1 else 0)
            assert own.tobytes() == server.model.tobytes()
    assert np.abs(server.model - exact).max() < 0.02


def test_a_device_that_is_far_behind_gets_the_whole_model() -> None:
    server = a_server()
    for round in range(1, 4):
        server.offer(update(0, 1.0, round))
        server.finish()
    assert Task.decode(server.task(0, 0)).base == NOTHING
    assert np.array_equal(follow(server, START, 0), server.model)


def test_a_server_that_was_killed_continues_after_the_last_round(tmp_path) -> None:
    def play(server: Server, rounds: range) -> None:
        for round in rounds:
            for device in range(3):
                values = np.random.default_rng([round, device]).normal(size=11)
                part = encoding("int8").encode(values.astype(np.float32), WHOLE.sizes)
                server.offer(Update(round, device, ONE, 1, 0.0, part).encode())
            server.finish()

    int8, file = {"encoding": encoding("int8")}, tmp_path / "fleet.npz"
    straight = a_server(**int8)
    play(straight, range(1, 6))
    first = a_server(**int8, journal=file)
    play(first, range(1, 4))
    first.offer(update(0, 5.0, 4))  # round 4 is open when the server is killed
    again = a_server(**int8, journal=file)
    assert again.round == 3
    play(again, range(4, 6))
    assert again.model.tobytes() == straight.model.tobytes()
    assert again.rest.tobytes() == straight.rest.tobytes()


def test_the_journal_of_another_fleet_is_refused(tmp_path) -> None:
    file = tmp_path / "fleet.npz"
    a_server(journal=file).finish()
    with pytest.raises(StateError, match="shares other values"):
        Server(LEFT, np.zeros(4), {ONE: LEFT}, range(2), encoding("none"), journal=file)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(tl.TrainletError, match=r"fleet\.npz"):
        a_server(journal=file)


def test_what_the_servers_encoding_rounds_away_is_in_a_later_change() -> None:
    rng, server, exact = np.random.default_rng(2), a_server(encoding=encoding("int8")), START.copy()
    for round in range(1, 61):
        change = rng.normal(size=11).astype(np.float32)
        payload = encoding("none").encode(change, WHOLE.sizes)
        exact = exact + change
        server.offer(Update(round, 0, ONE, 1, 0.0, payload).encode())
        server.finish()
    assert np.abs(server.model - exact).max() < 0.02


def test_what_an_encoding_leaves_out_is_sent_later_unless_it_hides_something() -> None:
    assert [encoding(text).feeds_back for text in ("none", "topk:0.1,int8", "sign")] == [True] * 3
    assert [encoding(text).feeds_back for text in ("noise:0.1", "clip:1,int8")] == [False] * 2
    assert encoding("none").of_models == encoding("none")
    assert encoding("topk:0.1,noise:1").of_models == encoding("int8")
    with pytest.raises(StateError, match="damaged"):
        decoded(b"junk", [3, 2])


def test_coordinates_that_a_fleet_does_not_have_are_refused() -> None:
    with pytest.raises(tl.errors.SchemeError, match="'w' of shape"):
        LEFT.index(RIGHT)
    with pytest.raises(tl.errors.SchemeError, match="shapes"):
        union([LEFT, Coordinates({"w": np.ones((3, 4), bool)})])
