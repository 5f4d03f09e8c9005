"""A weight that learns in part takes RAM for that part only, and learns the same."""

import numpy as np
import pytest

import trainlet as tl
from trainlet.compiled import CompiledProgram
from trainlet.errors import DataError
from trainlet.ir.text import parse_graph, print_graph
from trainlet.run.simulated import OracleDevice
from trainlet.run.trainer import Trainer
from zoo import NETWORKS


def weights_of(case: object) -> dict[str, float]:
    """The last depthwise, pointwise and linear weights, each in part."""
    shapes = {k: tuple(p.shape) for k, p in case.model.named_parameters()}  # type: ignore
    depthwise = [k for k, s in shapes.items() if len(s) == 4 and s[1] == 1 and s[2] > 1]
    pointwise = [k for k, s in shapes.items() if len(s) == 4 and s[2:] == (1, 1)]
    linear = [k for k, s in shapes.items() if len(s) == 2]
    return {depthwise[-1]: 0.5, pointwise[-1]: 0.25, linear[-1]: 0.5}


def compiled(precision: str) -> tuple[CompiledProgram, object, dict[str, float]]:
    case = NETWORKS["mobilenet_v1"](1)
    ratios = weights_of(case)
    more = {"calibration": [case.x.numpy()]} if precision == "int8" else {}
    made = tl.compile(case.model, case.x, ratios, target="host", precision=precision, **more)  # type: ignore
    return made, case, ratios


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_ram_holds_what_learns(precision: str):
    program, case, ratios = compiled(precision)
    shapes = dict(case.model.named_parameters())  # type: ignore[attr-defined]
    for p in program.params:
        whole, ratio = shapes[p.name].numel(), ratios[p.name]
        per_element = 4 if p.type.dtype == "float32" else 1.5  # int8 and 4 fractional bits
        assert p.type.nbytes == whole * ratio * per_element
    frozen = [n for n in program.constants if n.name.endswith(".frozen")]
    assert len(frozen) == len(ratios)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_rest_stays_as_it_was(precision: str):
    """state() is whole; of each weight the leading channels have changed and no other."""
    program, case, ratios = compiled(precision)
    trainer = program.build("host")
    before = trainer.state()
    trainer.step(case.x.numpy(), case.y.numpy(), lr=0.5)  # type: ignore[attr-defined]
    after = trainer.state()
    for name, ratio in ratios.items():
        moved = np.abs(after[name] - before[name])
        axis = 0 if moved.ndim == 4 and moved.shape[1] == 1 else 1
        edge = int(moved.shape[axis] * ratio)
        learns, frozen = np.split(moved, [edge], axis)
        assert learns.any() and not frozen.any()
        assert before[name].shape == tuple(case.model.get_parameter(name).shape)  # type: ignore


def test_it_learns_as_a_whole_weight_would():
    """The same gradient, cut off: the step of a full scheme agrees on the leading channels."""
    program, case, ratios = compiled("float32")
    full = tl.compile(case.model, case.x, dict.fromkeys(ratios, 1.0), target="host")  # type: ignore
    x, y = case.x.numpy(), case.y.numpy()  # type: ignore[attr-defined]
    _, _, part = tl.evaluate(program, x, y)
    _, _, whole = tl.evaluate(full, x, y)
    for name, ratio in ratios.items():
        axis = 0 if part[name].ndim == 4 and part[name].shape[1] == 1 else 1
        edge = int(part[name].shape[axis] * ratio)
        a, b = (np.split(v[name], [edge], axis)[0] for v in (part, whole))
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_a_state_comes_back():
    program, case, ratios = compiled("int8")
    trainer, other = program.build("host"), Trainer(program, OracleDevice(program))
    trainer.step(case.x.numpy(), case.y.numpy(), lr=0.5)  # type: ignore[attr-defined]
    state = trainer.state()
    other.load_state(state)
    assert all(np.array_equal(other.state()[k], state[k]) for k in ratios)


def test_a_state_of_another_network_is_refused():
    program, _, ratios = compiled("float32")
    trainer = program.build("host")
    name = next(iter(ratios))
    with pytest.raises(DataError, match=r"learns in part.*frozen"):
        trainer.load_state({name: trainer.state()[name] + 1})


def test_the_graph_prints_and_parses():
    case = NETWORKS["mobilenet_v1"](1)
    graph = tl.train(tl.prepare(case.model, case.x, check=False), weights_of(case)).step
    assert print_graph(parse_graph(print_graph(graph))) == print_graph(graph)
