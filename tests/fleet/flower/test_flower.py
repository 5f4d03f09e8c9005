"""Flower's strategies and its message API, with nodes in this process."""

import os
import shutil
import subprocess

import numpy as np
import pytest
import torch
from torch import nn

from trainlet.fleet.combine import Contribution, FedAvg
from trainlet.fleet.message import Task
from trainlet.fleet.people import people
from trainlet.fleet.setting import Setting

pytest.importorskip("flwr", reason="Flower is not installed: make test-fleet installs it")

from flwr.app import Context, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from fleet.board.boards import host_board, learn_in_boards_order
from fleet.flower.local_grid import LocalGrid
from trainlet.fleet.flower import client, server
from trainlet.fleet.flower.combine import combine_of
from trainlet.fleet.secure.round import SecureAggregation
from trainlet.fleet.simulation import Fleet, order_of

PEOPLE = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network, and a file of examples for each person."""
    work, rng = tmp_path_factory.mktemp("fleet"), np.random.default_rng(0)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    torch.export.save(torch.export.export(net, (torch.zeros(1, 6),)), work / "net.pt2")
    (work / "people").mkdir()
    for k in range(PEOPLE):
        x = rng.normal(size=(10, 6)).astype(np.float32)
        y = x.reshape(10, 3, 2).sum(2).argmax(1).astype(np.int32)
        np.savez(work / "people" / f"{k}.npz", x=x, y=y)
    return work


def setting_of(folder, **more) -> Setting:
    given = {"net": str(folder / "net.pt2"), "data": str(folder / "people"), "scheme": "full",
             "target": "host", "rounds": 3, "lr": 0.05, "share": "int8", **more}  # fmt: skip
    return Setting.of(given)


def run(folder, output, setting: Setting, change=None, nodes=None) -> dict[str, np.ndarray]:
    """The model that the apps learn over a grid in this process; nodes: their configurations."""
    from trainlet.fleet.app import write_app

    nodes = nodes or [{"partition-id": k} for k in range(PEOPLE)]
    write_app(output, setting, len(nodes))
    config = {"fleet": str(output / "fleet.toml"), "output": str(output), "nodes": len(nodes)}
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1  # of a running app
    grid = LocalGrid(client.app, config, nodes)
    if change:
        grid.change = change
    server.app(grid, Context(1, 0, {}, RecordDict(), config))
    with np.load(output / "model.npz") as file:
        return dict(file)


def plain(folder, setting: Setting, **more) -> dict[str, np.ndarray]:
    """The same fleet without Flower; more: of its rounds."""
    recipe = setting.recipe()
    data = [p.learn for p in people(setting.data, recipe.program)]
    secure = SecureAggregation() if setting.secure_aggregation else None
    with Fleet([recipe], [(0, one) for one in data], secure=secure) as fleet:
        list(fleet.run(setting.rounds, epochs=setting.epochs, lr=setting.lr, **more))
        return recipe.shared.put(fleet.server.model, fleet.trainers[0].state())


def test_the_apps_learn_what_the_plain_loop_learns(folder, tmp_path) -> None:
    setting = setting_of(folder)
    found, wanted = run(folder, tmp_path, setting), plain(folder, setting)
    assert all(np.allclose(found[name], wanted[name], atol=1e-6) for name in wanted)


@pytest.mark.parametrize("strategy", ["fedprox", "fedadam", "krum", "trimmed"])
def test_strategies_of_flower_move_the_model(folder, tmp_path, strategy) -> None:
    setting = setting_of(folder, strategy=strategy, rounds=2)
    found = run(folder, tmp_path, setting)
    start = setting.recipe()
    whole = start.shared.take(found)
    assert np.isfinite(whole).all() and not np.allclose(whole, start.start)


def sums(reply: Message) -> list[str]:
    """The records of a reply that is no error."""
    return [] if reply.has_error() else [*reply.content]


def test_with_secure_aggregation_only_masked_values_leave_a_node(folder, tmp_path) -> None:
    """And the model is that of the simulation, to the bit."""
    setting, seen = setting_of(folder, secure_aggregation=True), list[list[str]]()

    def change(reply):
        seen.append(sums(reply))
        return reply

    found, wanted = run(folder, tmp_path, setting, change), plain(folder, setting)
    assert seen == [["secure"]] * 4 * PEOPLE * setting.rounds
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


def test_the_sum_survives_a_node_that_is_lost_after_the_keys(folder, tmp_path) -> None:
    """Its masks are taken out of the sum with the shares that the others have."""
    setting = setting_of(folder, secure_aggregation=True, rounds=1)

    def change(reply):
        lost = reply.metadata.src_node_id == 102 and "train" in reply.metadata.message_type
        return None if lost else reply

    found = run(folder, tmp_path, setting, change)
    wanted = plain(folder, setting, deliver=lambda _, updates: updates[:2] + updates[3:])
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("kind", ["query.keys", "query.shares", "train.masked", "query.reveal"])
def test_with_too_few_nodes_the_model_stays(folder, tmp_path, kind, caplog) -> None:
    """Two of four are lost at one of the messages; three are needed of four that told keys."""
    setting = setting_of(folder, secure_aggregation=True, rounds=1)

    def change(reply):
        lost = reply.metadata.src_node_id < 102 and reply.metadata.message_type == kind
        return None if lost else reply

    with caplog.at_level("INFO", "trainlet.fleet"):
        found = run(folder, tmp_path, setting, change)
    moved = not np.array_equal(setting.recipe().shared.take(found), setting.recipe().start)
    assert moved == (kind == "query.keys")  # of two that told keys, two are enough
    assert moved or "are needed" in caplog.text or "needs 3" in caplog.text


def test_a_node_of_a_secure_fleet_sends_no_plain_update(folder, tmp_path) -> None:
    from flwr.app import ConfigRecord

    from trainlet.errors import StateError, TrainletError
    from trainlet.fleet.app import write_app

    write_app(tmp_path, setting_of(folder, secure_aggregation=True), PEOPLE)
    config = {"fleet": str(tmp_path / "fleet.toml"), "nodes": PEOPLE}
    context = Context(1, 1, {"partition-id": 0}, RecordDict(), config)
    with pytest.raises(TrainletError, match="without masks"):
        client.app(Message(RecordDict(), 1, "train"), context)
    task = RecordDict({"task": ConfigRecord({"bytes": Task(1, -1, 0, 1, 0, 0.1, b"").encode()})})
    with pytest.raises(StateError, match="told no keys for round 1"):
        client.app(Message(task, 1, "train.masked"), context)


def test_a_run_that_was_killed_ends_as_one_that_was_not(folder, tmp_path) -> None:
    """FedAdam has moments, which the journal keeps; the devices get the whole model again."""
    straight = run(folder, tmp_path / "straight", setting_of(folder, strategy="fedadam"))
    short = setting_of(folder, strategy="fedadam", rounds=2, share="none")
    long = setting_of(folder, strategy="fedadam", rounds=3, share="none")
    run(folder, tmp_path / "again", short)
    again = run(folder, tmp_path / "again", long)
    wanted = run(folder, tmp_path / "once", long)
    assert all(np.array_equal(again[name], wanted[name]) for name in wanted)
    assert straight.keys() == wanted.keys()


def test_a_node_cannot_speak_for_another(folder, tmp_path, caplog) -> None:
    stolen = {}

    def change(reply):
        node = reply.metadata.src_node_id
        if node == 100:
            stolen[0] = reply.content["update"]["bytes"]
            return None
        if node == 101:
            reply.content["update"]["bytes"] = stolen[0]
        return reply

    with caplog.at_level("INFO", "trainlet.fleet"):
        run(folder, tmp_path, setting_of(folder, rounds=1), change)
    assert "device 1 sent it in the name of this device" in caplog.text


def test_a_device_that_lost_its_model_gets_the_whole_one(folder, tmp_path, caplog) -> None:
    """It was restarted: it refuses the change of a model that it does not have, once."""
    seen = []

    def change(reply):
        seen.append(reply.has_error())
        return reply

    original = client._remember
    client._remember = lambda member, state: member.number and original(member, state)
    try:
        run(folder, tmp_path, setting_of(folder, rounds=3), change)
    finally:
        client._remember = original
    assert seen == [*[False] * 4, True, *[False] * 3, *[False] * 4]


def test_nodes_test_the_model(folder, tmp_path, caplog) -> None:
    """Those that have test examples, every second round; the count is the plain fleet's."""
    for k in (0, 2):
        with np.load(folder / "people" / f"{k}.npz") as file:
            given = dict(file)
        np.savez(tmp_path / f"{k}.npz", **given, x_test=given["x"][:6], y_test=given["y"][:6])
    for k in (1, 3):
        shutil.copy(folder / "people" / f"{k}.npz", tmp_path)
    setting = setting_of(folder, data=str(tmp_path), rounds=4, evaluate=2)
    with caplog.at_level("INFO", "trainlet.fleet"):
        run(folder, tmp_path / "app", setting)
    told = [one.message for one in caplog.records if "test examples" in one.message]
    recipe = setting.recipe()
    found = people(setting.data, recipe.program)
    members = [(0, one.learn) for one in found]
    with Fleet([recipe], members, tests=[one.test for one in found]) as fleet:
        rounds = list(fleet.run(4, lr=setting.lr))
    right = [round((one.accuracy or 0.0) * 12) for one in rounds]
    assert [line[:44] for line in told] == [
        f"round {n}: {right[n - 1]} of 12 test examples of 4 nodes are "[:44] for n in (2, 4)
    ]


def test_a_board_on_a_serial_line_takes_part(folder, tmp_path) -> None:
    """The node is a gateway; two rounds move the model as the C learns the board's examples."""
    setting = setting_of(folder, rounds=2, share="none", target="cortex-m7")
    program = setting.recipe().program
    with np.load(folder / "people" / "1.npz") as file:
        x, y = file["x"], file["y"]
    (tmp_path / "board").mkdir()
    command = host_board(program, tmp_path / "board", x, y)
    board, line = os.openpty()
    process = subprocess.Popen(command, stdin=board, stdout=board)
    try:
        found = run(folder, tmp_path / "app", setting, nodes=[{"board": os.ttyname(line)}])
    finally:
        process.kill()
        process.wait()
        os.close(board)
        os.close(line)
    with program.build("host") as trainer:
        for done in range(2):
            learn_in_boards_order(trainer, x, y, 1, order_of(0, done, 0))
        wanted = trainer.state()
    assert all(np.allclose(found[name], wanted[name], atol=1e-6) for name in found)


def contributions(rng) -> list[Contribution]:
    whole, half = np.arange(6), np.arange(3)
    return [
        Contribution(k, rng.normal(size=len(i)).astype(np.float32), i, k + 1)
        for k, i in enumerate((whole, half, whole, half, whole))
    ]


def test_flowers_fedavg_is_the_mean_over_contributors() -> None:
    given, model = contributions(np.random.default_rng(0)), np.ones(6, np.float32)
    flower = combine_of(Setting("net"))(1, model, given)
    assert np.allclose(flower, FedAvg()(1, model, given), atol=1e-6)


def test_robust_strategies_leave_out_an_attacker() -> None:
    rng, model = np.random.default_rng(0), np.zeros(6, np.float32)
    honest = [
        Contribution(k, (1 + 0.01 * rng.normal(size=6)).astype(np.float32), np.arange(6), 5)
        for k in range(6)
    ]
    bad = Contribution(6, np.full(6, -50, np.float32), np.arange(6), 5)
    for strategy in ("krum", "trimmed"):
        combine = combine_of(Setting("net", strategy=strategy))
        assert np.allclose(combine(1, model, [*honest, bad]), 1, atol=0.05)
    assert combine_of(Setting("net"))(1, model, [*honest, bad]).max() < -5
