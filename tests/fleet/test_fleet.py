"""Fleets of compiled trainers, on a small network."""

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.errors import StateError
from trainlet.fleet.encoding import decoded, encoding
from trainlet.fleet.guard import Limits
from trainlet.fleet.member import Member, Recipe, work
from trainlet.fleet.message import NOTHING, Task, Update, join
from trainlet.fleet.secure.round import SecureAggregation
from trainlet.fleet.simulation import Fleet
from trainlet.fleet.splits import by_person, dirichlet
from trainlet.run.dataset import Dataset
from trainlet.run.fit import fit

NET = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
RNG = np.random.default_rng(0)
with torch.no_grad():
    for values in NET.parameters():
        values.copy_(torch.from_numpy(RNG.normal(0, 0.4, values.shape)))
EXAMPLE = torch.zeros(1, 6)
BATCHES = [torch.from_numpy(RNG.normal(size=(32, 6)).astype(np.float32))]


def compiled(scheme, **more) -> tl.CompiledProgram:
    return tl.compile(NET, EXAMPLE, scheme, target="host", optimizer=tl.SGD(0.05), **more)


@pytest.fixture(scope="module")
def float32() -> tl.CompiledProgram:
    return compiled("full")


@pytest.fixture(scope="module")
def int8() -> tl.CompiledProgram:
    return compiled("full", precision="int8", calibration=BATCHES)


def people(count: int = 4, rows: int = 12) -> list[Dataset]:
    """Each person has another offset; classes are told by the largest of three sums."""
    rng, found = np.random.default_rng(1), []
    for _ in range(count):
        x = rng.normal(size=(rows, 6)).astype(np.float32)
        y = (x.reshape(rows, 3, 2).sum(2)).argmax(1).astype(np.int32)
        found.append(Dataset(x + rng.normal(0, 0.3, 6).astype(np.float32), y))
    return found


def test_a_round_is_the_mean_of_what_the_trainers_learn(float32) -> None:
    data, recipe = people(), Recipe(float32, encoding("none"))
    with Fleet(
        [recipe], [(0, one) for one in data], limits=Limits(bound=None, outlier=None)
    ) as fleet:
        list(fleet.run(1, epochs=2))
        made = recipe.shared.put(fleet.server.model, fleet.trainers[0].state())
        assert fleet.server.bytes_up == 4 * (4 * (48 + 8 + 24 + 3) + 4 * 6 + 32)
    states = []
    with float32.build("host") as trainer:
        for number, one in enumerate(data):
            trainer.reset()
            order = np.random.SeedSequence([0, 0, number]).generate_state(1)[0]
            list(fit(trainer, one, 2, seed=int(order)))
            states.append(trainer.state())
    for name, value in made.items():
        assert np.allclose(value, np.mean([s[name] for s in states], 0), atol=1e-6), name


@pytest.mark.parametrize("share", ["none", "int8"])
def test_a_fleet_in_int8_learns_and_repeats_itself(int8, share) -> None:
    """Also in two processes."""
    data, seen = people(), []
    for jobs in (1, 2):
        members, recipe = [(0, one) for one in data], Recipe(int8, encoding(share))
        with Fleet([recipe], members, tests=data, jobs=jobs) as fleet:
            before = fleet.accuracy()
            rounds = list(fleet.run(8, epochs=2))
            seen.append((rounds[-1], fleet.server.model.tobytes()))
            assert rounds[-1].accuracy > before + 0.1
    assert seen[0] == seen[1]


def test_a_device_without_a_message_changes_nothing_of_the_others(float32) -> None:
    data, recipe = people(), Recipe(float32, encoding("int8"))
    with Fleet([recipe], [(0, one) for one in data]) as fleet:
        rounds = list(fleet.run(3, present=lambda r: [0, 1, 3] if r == 2 else range(4)))
        assert [one.taken for one in rounds] == [4, 3, 4]


def test_personal_layers_stay_on_the_device(float32) -> None:
    data, recipe = people(2), Recipe(float32, encoding("none"), ("2.*",))
    assert recipe.shared.names == ["0.bias", "0.weight"]
    with Fleet([recipe], [(0, one) for one in data]) as fleet:
        list(fleet.run(2))
        mine, other = (member.personal for member in fleet.members.values())
        assert [*mine] == ["2.weight", "2.bias"]
        assert not np.array_equal(mine["2.weight"], other["2.weight"])
        assert fleet.server.bytes_up == 2 * 2 * (4 * (48 + 8) + 2 * 6 + 32)
    with pytest.raises(tl.errors.SchemeError, match="no trained parameter matches"):
        _ = Recipe(float32, encoding("none"), ("head.*",)).shared
    with pytest.raises(tl.errors.SchemeError, match="share nothing"):
        _ = Recipe(float32, encoding("none"), ("*",)).shared


def test_devices_with_other_masks_share_what_they_have_in_common() -> None:
    """One trains the first half of the head's inputs, another all of the head."""
    schemes = {"2.weight": 0.5, "2.bias": 1.0}, {"2.weight": 1.0, "2.bias": 1.0}
    recipes = [Recipe(compiled(tl.UpdateScheme(s)), encoding("none")) for s in schemes]
    data = people(2)
    with Fleet(
        recipes, [(0, data[0]), (1, data[1])], limits=Limits(bound=None, outlier=None)
    ) as fleet:
        assert fleet.coordinates.size == 24 + 3
        start = fleet.server.model.copy()
        list(fleet.run(1))
        change = fleet.coordinates.put(fleet.server.model - start, {
            "2.weight": np.zeros((3, 8)), "2.bias": np.zeros(3)})  # fmt: skip
        own = []
        for number, recipe in enumerate(recipes):
            member, trainer = fleet.members[number], fleet.trainers[number]
            task = Task(1, -1, number, 1, int(np.random.SeedSequence([0, 0, number])
                        .generate_state(1)[0]), float("nan"), payload(start)).encode()  # fmt: skip
            member.rest = None
            sent = Update.decode(work(trainer, recipe, member, task))
            vector = decoded(sent.payload, recipe.shared.sizes)
            zeros = {"2.weight": np.zeros((3, 8)), "2.bias": np.zeros(3)}
            own.append(recipe.shared.put(vector, zeros)["2.weight"])
        assert np.allclose(change["2.weight"][:, :4], (own[0] + own[1])[:, :4] / 2, atol=1e-6)
        assert np.allclose(change["2.weight"][:, 4:], own[1][:, 4:], atol=1e-6)


def payload(model: np.ndarray) -> bytes:
    return join([model.astype("<f4").tobytes()])


def test_another_calibration_is_another_program(int8) -> None:
    other = compiled("full", precision="int8", calibration=[3 * BATCHES[0]])
    marks = [Recipe(p, encoding("none")).fingerprint for p in (int8, other)]
    assert marks[0] == Recipe(compiled("full", precision="int8", calibration=BATCHES),
                              encoding("none")).fingerprint  # fmt: skip
    assert marks[0] != marks[1]


def test_fedprox_pulls_the_devices_to_the_model() -> None:
    changes = []
    for mu in (0.0, 5.0):
        loss = ["cross_entropy", tl.Proximal(mu)] if mu else "cross_entropy"
        recipe = Recipe(compiled("full", loss=loss), encoding("none"))
        with Fleet([recipe], [(0, one) for one in people(2)]) as fleet:
            start = fleet.server.model.copy()
            list(fleet.run(2, epochs=3))
            changes.append(np.abs(fleet.server.model - start).mean())
    assert changes[1] < 0.8 * changes[0]


def test_what_an_update_leaves_out_is_in_the_next_one(float32) -> None:
    """A device without news (learning rate 0) sends what topk kept back the round before."""
    (data,) = people(1)
    recipe, plain = Recipe(float32, encoding("topk:0.1")), Recipe(float32, encoding("none"))
    index = np.arange(recipe.shared.size)
    sent = {}
    with float32.build("host") as trainer:
        for one in (recipe, plain):
            member = Member(0, data, recipe.shared, index)
            model = recipe.start.astype("<f4").tobytes()
            for round, rate in ((1, 0.05), (2, 0.0)):
                task = Task(round, NOTHING, 0, 1, 0, rate, join([model])).encode()
                update = Update.decode(work(trainer, one, member, task))
                sent[one is plain, round] = decoded(update.payload, recipe.shared.sizes)
    left = sent[True, 1] - sent[False, 1]
    assert not sent[True, 2].any() and sent[False, 2].any()
    assert np.allclose(sent[False, 2], np.where(sent[False, 2] != 0, left, 0), atol=1e-6)


def test_a_member_refuses_a_task_that_is_not_its_own(float32) -> None:
    recipe = Recipe(float32, encoding("none"))
    with Fleet([recipe], [(0, one) for one in people(2)]) as fleet:
        member, trainer = fleet.members[0], fleet.trainers[0]
        for task, reason in (
            (fleet.server.task(1), "for device 1"),
            (Task(3, 2, 0, 1, 0, 0.1, b"").encode(), "that of round -1"),
            (Task(1, -1, 0, 1, 0, 0.1, payload(np.ones(3))).encode(), "has not 83 values"),
            (b"junk", "not a task"),
        ):
            with pytest.raises(StateError, match=reason):
                work(trainer, recipe, member, task)
        assert member.model is None and member.rest is None


def test_splits() -> None:
    assert {k: v.tolist() for k, v in by_person(np.array(["b", "a", "b"])).items()} == {
        "a": [1], "b": [0, 2]}  # fmt: skip
    labels = np.repeat(np.arange(10), 50)
    spread = {}
    for alpha in (0.1, 100.0):
        parts = dirichlet(labels, 20, alpha, seed=3)
        assert sorted(np.concatenate(parts).tolist()) == list(range(500))
        assert min(map(len, parts)) >= 1
        spread[alpha] = np.mean([len(np.unique(labels[part])) for part in parts])
    assert spread[0.1] < 6 < 9 < spread[100.0]
    assert all(map(np.array_equal, dirichlet(labels, 20, 0.1, 3), dirichlet(labels, 20, 0.1, 3)))
    with pytest.raises(tl.errors.DataError, match="3 examples for 4 devices"):
        dirichlet(labels[:3], 4, 1.0, 0)
    with pytest.raises(tl.errors.DataError, match="alpha=0"):
        dirichlet(labels, 4, 0, 0)


def test_secure_aggregation_gives_the_mean_and_survives_lost_messages(int8) -> None:
    """The model is that of a fleet whose server sees every update, up to the fixed point."""
    data, seen = people(5), []
    for secure in (None, SecureAggregation()):
        recipe = Recipe(int8, encoding("int8"))
        limits = Limits(bound=None, outlier=None)
        with Fleet([recipe], [(0, one) for one in data], limits=limits, secure=secure) as fleet:
            rounds = list(fleet.run(2, deliver=lambda _, updates: updates[1:]))
            seen.append(fleet.server.model)
            assert [one.taken for one in rounds] == [4, 4]
    assert np.abs(seen[0] - seen[1]).max() < 2e-3 * np.abs(seen[0] - fleet.recipes[0].start).max()


def test_a_round_with_too_few_devices_for_secure_aggregation_changes_nothing(int8, caplog) -> None:
    recipe = Recipe(int8, encoding("int8"))
    with Fleet([recipe], [(0, one) for one in people(5)], secure=SecureAggregation()) as fleet:
        before = fleet.server.model.copy()
        with caplog.at_level("INFO", "trainlet.fleet"):
            (only,) = fleet.run(1, deliver=lambda _, updates: updates[:2])
        assert only.taken == 0 and np.array_equal(before, fleet.server.model)
    assert "2 of 5 devices finished the round; secure aggregation needs 4" in caplog.text
