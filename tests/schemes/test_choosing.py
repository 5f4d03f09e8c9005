"""The selection on the device: what it measures, what it chooses, what it trains, and that all
devices agree."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.errors import DataError, SchemeError, StateError, TargetError, TrainletError
from trainlet.ir.graph import Graph
from trainlet.passes.run_time_channels import MEASURED
from trainlet.planning.blob import Saved
from trainlet.planning.selection import WORDS, chosen_set, largest_sets
from trainlet.run.choosing import ChoosingTrainer, SimulatedChoosing
from trainlet.run.simulated import ArenaDevice, OracleDevice
from trainlet.schemes.fisher import channel_scores

WAYS = 3
X = np.random.default_rng(0).normal(size=(6, 1, 1, 12, 12)).astype(np.float32)
Y = np.arange(6).reshape(6, 1) % WAYS
TIGHT = {"float32": 18_000, "int8": 9_600}
"""Bytes of RAM with which not all layers can learn together."""


def backbone() -> nn.Module:
    torch.manual_seed(0)

    def block(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]

    layers = [*block(1, 8, 2), *block(8, 8), *block(8, 12), *block(12, 16, 2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)).eval()


@cache
def prepared(precision: str = "float32") -> Graph:
    shown: dict[str, Any] = {}
    if precision == "int8":
        shown = {"precision": "int8", "calibration": [torch.from_numpy(X[0])]}
    graph = tl.prepare(backbone(), torch.zeros(1, 1, 12, 12), check=False, **shown)
    return tl.adapt.cosine_head(graph, WAYS)


@cache
def compiled(precision: str = "float32", **options: Any) -> tl.schemes.ChoosingProgram:
    if precision == "int8":
        options["precision"] = "int8"
    return tl.schemes.choosing(prepared(precision), **options)


def measured(trainer: ChoosingTrainer) -> ChoosingTrainer:
    for x, y in zip(X, Y, strict=True):
        trainer.observe(x, y)
    for x, y in zip(X, Y, strict=True):
        trainer.measure(x, y)
    return trainer


@pytest.mark.parametrize("criterion", MEASURED)
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_every_device_chooses_and_learns_the_same(precision: str, criterion: str) -> None:
    program = compiled(precision, ram=TIGHT[precision], criterion=criterion)
    assert len(program.choice.variants) == 2
    blobs, chosen = [], []
    watched = ("sanitized",) if precision == "int8" else ()
    for device in ("host", *watched, "unicorn", "simulation"):
        with measured(program.build(device)) as trainer:
            before = trainer.save()
            chosen.append(trainer.select())
            if device == "unicorn":
                assert trainer.instructions
            for x, y in zip(X, Y, strict=True):
                trainer.step(x, y, 0.05)
            blobs.append((before, trainer.save()))
    exact = 4 if precision == "int8" else 2
    assert all(blob == blobs[0] for blob in blobs[:exact])
    first = {name: table.tolist() for name, table in chosen[0].items()}
    assert all({k: t.tolist() for k, t in one.items()} == first for one in chosen)
    with measured(ChoosingTrainer(program.choice, SimulatedChoosing(program.choice, ArenaDevice))):
        pass  # the plan of the part that measures, followed byte by byte


def gradients(name: str, sums: np.ndarray) -> tuple[np.ndarray, float]:
    """By torch: the squared gradients of the input channels of the features' weight, of all
    examples, and its own squared norm."""
    model, prototypes, total = backbone(), torch.from_numpy(sums), 0.0
    weight = model.get_parameter(name)
    for x, y in zip(torch.from_numpy(X), torch.from_numpy(Y), strict=True):
        cosines = torch.cosine_similarity(model(x)[:, None], prototypes[None], 2)
        loss = nn.functional.cross_entropy(10 * cosines, y)
        own = torch.autograd.grad(loss, weight)[0].double() ** 2
        total = total + own.sum((0, *range(2, own.ndim))).numpy()
    return np.asarray(total), float((weight.detach().double() ** 2).sum())


def test_the_squared_gradients_are_torchs() -> None:
    """And the scores are those of `tinytrain`, in the same order."""
    program = compiled(target="host", criterion="gradient")
    with measured(program.build("host")) as trainer:
        found, sums = trainer.measured(), trainer.state()["head.prototypes"]
    taught = Graph(prepared().outputs, {**prepared().values, "head.prototypes": sums})
    host = tl.schemes.tinytrain(taught, X[:, 0], Y, depth=4, criterion="gradient").scores
    scores = {c.weight: found[c.weight].sum() * c.factor for c in program.choice.candidates}
    assert sorted(scores, key=scores.__getitem__) == sorted(host, key=host.__getitem__)
    for name, own in found.items():
        wanted, norm = gradients(name, sums)
        np.testing.assert_allclose(own, wanted, rtol=2e-3, atol=1e-12)
        assert scores[name] == pytest.approx(2 * len(X) * host[name], rel=2e-3)
        one = next(c for c in program.choice.candidates if c.weight == name)
        assert one.factor * norm == pytest.approx(
            next(c.factor for c in compiled(target="host").choice.candidates if c.weight == name)
        )


def test_what_is_measured_is_the_fisher_information() -> None:
    graph = prepared()
    with measured(compiled(target="host").build("host")) as trainer:
        found, sums = trainer.measured(), trainer.state()["head.prototypes"]
    taught = Graph(graph.outputs, {**graph.values, "head.prototypes": sums})
    wanted = channel_scores(taught, X[:, 0], Y, list(found), "cross_entropy")
    assert list(found) == ["3.weight", "6.weight", "9.weight", "14.weight"]
    for name, own in found.items():
        np.testing.assert_allclose(own / (2 * len(X)), wanted[name], rtol=2e-3, atol=1e-12)


def test_a_step_trains_what_was_chosen_as_a_scheme_with_these_channels_does() -> None:
    graph = prepared()
    with measured(compiled(target="host").build("host")) as trainer:
        tables = trainer.select()
        begun = trainer.state()
        loss = trainer.step(X[1], Y[1], 0.5)
        found = trainer.state()
    for name, table in tables.items():
        assert np.array_equal(begun[name], graph.values[name])
        moved = np.abs(found[name] - begun[name]).sum((0, *range(2, begun[name].ndim))) > 0
        assert not moved[np.setdiff1d(np.arange(moved.size), table)].any() and moved.any()
    taught = Graph(graph.outputs, {**graph.values, "head.prototypes": begun["head.prototypes"]})
    scheme: Any = {n: {"channels": tables[n].tolist()} if n in tables else 1.0 for n in begun}
    program = tl.compile(taught, None, scheme, target="host")
    with program.build("host") as other:
        assert other.step(X[1], Y[1], 0.5) == pytest.approx(loss, rel=1e-4)
        wanted = other.state()
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=2e-5, err_msg=name)


def test_the_first_layers_are_those_of_the_best_scores_that_fit_together() -> None:
    sets = (frozenset({1, 2, 3}), frozenset({0, 2}), frozenset({0, 3}))
    assert chosen_set([9, 1, 2, 3], sets) == 2
    assert chosen_set([9, 1, 3, 3], sets) == 1  # of equal scores the first
    assert chosen_set([1, 9, 0, 0], sets) == 0
    asked: list[frozenset[int]] = []

    def fits(one: frozenset[int]) -> bool:
        asked.append(one)
        return sum((5, 3, 2, 1)[k] for k in one) <= 6 and 1 not in one

    assert set(largest_sets((3, 2, 1, 0), fits)) == {frozenset({2, 3}), frozenset({0, 3})}
    assert len(asked) == len(set(asked))


def test_layers_of_large_factors_are_added_to_a_set_first() -> None:
    choice = compiled(target="host", macs=80_000).choice
    factors = [c.factor for c in choice.candidates]
    assert factors[3] > factors[0] > factors[1] == factors[2]
    assert choice.sets == (frozenset({0, 2, 3}), frozenset({0, 1, 3}))


def test_the_c_selects_as_the_rule_says() -> None:
    choice = compiled(ram=TIGHT["float32"]).choice
    rng, numbers = np.random.default_rng(0), set[int]()
    layout = choice.measure.layout
    with compiled(ram=TIGHT["float32"]).build("host") as trainer:
        for k in range(12):
            trainer.reset()
            saved = layout.unpack(trainer.save())
            fisher = {c.weight: rng.integers(0, 3, c.channels).astype(np.float32) ** 9
                      for c in choice.candidates}  # fmt: skip
            if k == 0:
                fisher = {name: np.ones_like(own) for name, own in fisher.items()}
            own = {f"{name}.fisher": value for name, value in fisher.items()}
            trainer.load(layout.pack(Saved({**saved.arrays, **own})))
            number, tables = choice.chosen(fisher)
            found = trainer.select()
            assert trainer.program is choice.variants[number]
            assert {n: t.tolist() for n, t in found.items()} == {
                n: t.tolist() for n, t in tables.items()
            }
            if k == 0:
                assert all(t.tolist() == list(range(t.size)) for t in found.values())
            numbers.add(number)
    assert len(numbers) == 2


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_every_variant_fits(precision: str) -> None:
    ram = TIGHT[precision]
    program = compiled(precision, ram=ram)
    choice = program.choice
    assert choice.ram_bytes <= ram
    for one in choice.programs:
        needed = one.state_bytes + one.arena_bytes + WORDS
        assert needed <= choice.memory_bytes + WORDS <= ram - one.target.stack
        assert one.staged
    if precision == "int8":
        report = program.report
        assert report.stack_bytes and report.ram_bytes <= ram and len(report.variants) == 2
    limited = compiled(precision, macs=min(v.macs_backward for v in choice.variants))
    most = min(v.macs_backward for v in choice.variants)
    assert all(v.macs_backward <= most for v in limited.choice.variants)


@pytest.mark.parametrize("device", ["host", "simulation", "oracle"])
def test_calls_in_another_order_are_refused(device: str) -> None:
    program = compiled(target="host")
    made = (
        ChoosingTrainer(program.choice, SimulatedChoosing(program.choice, OracleDevice))
        if device == "oracle"
        else program.build(device)
    )
    with made as trainer:
        for wrong in (trainer.select, lambda: trainer.step(X[0], Y[0])):
            with pytest.raises(TrainletError, match="wrong order"):
                wrong()
        measured(trainer)
        with pytest.raises(DataError):
            trainer.measure(X[0], [WAYS])
        chosen = trainer.select()
        after = trainer.save()
        for wrong in (trainer.select, lambda: trainer.measure(X[0], Y[0])):
            with pytest.raises(TrainletError, match="wrong order"):
                wrong()
        assert trainer.save() == after
        trainer.observe(X[0], Y[0])
        trainer.reset()
        assert not trainer.selected() and not any(f.any() for f in trainer.measured().values())
        again = measured(trainer).select()
        assert {k: t.tolist() for k, t in again.items()} == {
            k: t.tolist() for k, t in chosen.items()
        }


@pytest.mark.parametrize("device", ["host", "simulation"])
def test_a_state_brings_its_selection(device: str) -> None:
    program = compiled(ram=TIGHT["float32"])
    with measured(program.build(device)) as trainer:
        before = trainer.save()
        trainer.select()
        trainer.step(X[0], Y[0], 0.1)
        after, logits = trainer.save(), trainer.predict(X[0])["logits"]
        trainer.load(before)
        assert trainer.save() == before and not trainer.selected()
        trainer.load(after)
        assert trainer.save() == after
        assert np.array_equal(trainer.predict(X[0])["logits"], logits)
        padded = bytearray(after.ljust(program.choice.blob_bytes, b"\0"))
        for at in (17, len(after) - 1):  # of the state, and the checksum
            damaged = bytearray(padded)
            damaged[at] ^= 1
            with pytest.raises(StateError):
                trainer.device.load(bytes(damaged))
        with pytest.raises(StateError):
            trainer.load(compiled(depth=1).build(device).save())
        assert trainer.save() == after


@pytest.mark.parametrize("table", [[-1, 0], [7, 7], [7, 8]])
def test_channels_out_of_range_are_refused(table: list[int]) -> None:
    program = compiled(target="host")
    with measured(program.build("host")) as trainer:
        trainer.select()
        after = trainer.save()
        layout = trainer.program.layout
        at = 16 + layout.start["3.weight.channels"]
        bad = bytearray(after[:-4])
        bad[at + 8 : at + 16] = struct.pack("<2i", *table)
        blob = bytes(bad) + struct.pack("<I", zlib.crc32(bytes(bad)))
        with pytest.raises(StateError, match="possible"):
            layout.unpack(blob)
        with pytest.raises(StateError):
            trainer.device.load(blob.ljust(program.choice.blob_bytes, b"\0"))
        assert trainer.save() == after


def test_what_cannot_be_chosen_is_refused() -> None:
    with pytest.raises(TargetError, match="to choose, the device needs"):
        compiled(ram=8_000)
    with pytest.raises(TargetError, match=r"no candidate fits: .*; the smallest trainer"):
        compiled(macs=10)
    for wrong in ({"share": 0}, {"depth": 0}, {"depth": 33}, {"criterion": "norm"}):
        with pytest.raises(SchemeError):
            compiled(**wrong)
    with pytest.raises(TargetError, match="takes no C"):
        compiled(target="onnx")
    shallow = nn.Sequential(nn.Flatten(), nn.Linear(144, 4)).eval()
    graph = tl.adapt.cosine_head(tl.prepare(shallow, torch.zeros(1, 1, 12, 12)), WAYS)
    with pytest.raises(SchemeError, match="no weight can be chosen"):
        tl.schemes.choosing(graph)
    with measured(compiled(target="host").build("host")) as trainer:
        trainer.select()
        with pytest.raises(TrainletError, match="load"):
            trainer.load_state({})
