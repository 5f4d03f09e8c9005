"""Recurrent layers in int8: integer products, an int8 state, gates in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import trainlet as tl
from recurrent.straight_through import Rounded, gradients

INPUTS, UNITS, STEPS, CLASSES = 6, 8, 12, 5
CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
READS: dict[str, Callable[[Tensor], Tensor]] = {
    "last": lambda y: y[:, -1],
    "mean": lambda y: y.mean(1),
}
EACH = pytest.mark.parametrize("cell", CELLS)


class Recurrent(nn.Module):
    """A recurrent layer over [N, T, INPUTS], and a head that `reads` its outputs."""

    def __init__(self, layer: nn.RNNBase, reads: str = "last") -> None:
        super().__init__()
        self.layer, self.reads = layer, READS[reads]
        self.fc = nn.Linear(layer.hidden_size * (1 + layer.bidirectional), CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.reads(self.layer(x)[0]))


def model(cell: str, reads: str = "last", **options: Any) -> Recurrent:
    """Its weights are twice the usual ones, so that its gates are not all halves."""
    torch.manual_seed(0)
    made = Recurrent(CELLS[cell](INPUTS, UNITS, batch_first=True, **options), reads).eval()
    with torch.no_grad():
        for p in made.layer.parameters():
            p.mul_(2)
    return made


def example(rows: int = 1, steps: int = STEPS) -> tuple[Tensor, np.ndarray]:
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(rows, steps, INPUTS, generator=draw)
    return x, np.arange(rows, dtype=np.int32) % CLASSES


def compiled(made: nn.Module, scheme: Any = "full", steps: int = STEPS, **options: Any) -> Any:
    batches = list(torch.randn(16, 4, steps, INPUTS, generator=torch.Generator().manual_seed(2)))
    given = {"precision": "int8", "calibration": batches, "target": "cortex-m7", **options}
    if given["precision"] == "float32":
        del given["calibration"]
    return tl.compile(made, example(steps=steps)[0], scheme, **given)


def loops(program: Any) -> list[Any]:
    return [n for n in program.plan.order if "body" in n.attrs]


def products(loop: Any) -> list[str]:
    """The matrix products of one turn."""
    return [op for op, _, _ in loop.attrs["body"].steps if op.startswith("linear")]


@EACH
def test_both_products_of_a_step_are_sums_of_integers(cell):
    program = compiled(model(cell), "last")
    (loop,) = loops(program)
    assert products(loop) == ["linear_i8_f32"] * 2
    kinds = {n.name: n.type.dtype for n in program.graph.leaves("const")}
    assert {kinds[f"layer.{w}_l0"] for w in ("weight_ih", "weight_hh")} == {"int8"}
    assert {kinds[f"layer.{b}_l0"] for b in ("bias_ih", "bias_hh")} == {"int32"}
    assert not [n for n in program.plan.order if n.op == "quantize"], "the input is int8 already"


OPTIONS = [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}]


@pytest.mark.parametrize("options", OPTIONS[1:], ids=str)
@EACH
def test_predicts_what_torch_does(cell, options):
    made = model(cell, "mean", **options)
    program, (x, _) = compiled(made, "last"), example()
    with program.build("host") as trainer:
        found = trainer.predict(x.numpy())
    np.testing.assert_allclose(found, made(x).detach().numpy(), rtol=0, atol=0.02)


@pytest.mark.parametrize(("options", "gradient"), [(OPTIONS[0], "int16"), (OPTIONS[1], "float32")])
@EACH
def test_the_same_bits_in_the_simulation_on_the_host_and_on_a_cortex_m7(cell, options, gradient):
    program = compiled(model(cell, "mean", **options), precision=tl.Int8(gradient=gradient))
    x, y = example()
    simulation = tl.simulate(program, 1)
    with program.build("host") as host, program.build("unicorn", count=False) as device:
        for _ in range(3):
            losses = [d.step(x.numpy(), y, 0.1) for d in (host, device)]
            losses += simulation.step(x.numpy()[None], y[None], 0.1).tolist()
            assert len(set(map(np.float32, losses))) == 1
        assert host.save() == device.save() == simulation.save(0)
        assert host.save() != program.build("host").save(), "nothing learnt"
    first = tl.evaluate(program, x.numpy(), y)
    with program.build("host") as host:
        assert host.step(x.numpy(), y, 0.1) == pytest.approx(first[0], abs=1e-6)


def straight_through(cell: str, w: dict[str, Tensor], x: Tensor) -> Tensor:
    """The mean of the outputs h of a layer whose h is rounded, from real weights and inputs."""
    count = {"lstm": 4, "gru": 3, "rnn": 1}[cell]
    h, kept, outputs = x.new_zeros(1, UNITS), x.new_zeros(1, UNITS), []
    for t in range(x.shape[1]):
        a = F.linear(x[:, t], w["weight_ih_l0"], w["bias_ih_l0"]).chunk(count, 1)
        b = F.linear(h, w["weight_hh_l0"], w["bias_hh_l0"]).chunk(count, 1)
        if cell == "lstm":
            i, f, g, o = (p + q for p, q in zip(a, b, strict=True))
            kept = f.sigmoid() * kept + i.sigmoid() * g.tanh()
            new = o.sigmoid() * kept.tanh()
        elif cell == "gru":
            r, z = ((a[k] + b[k]).sigmoid() for k in range(2))
            n = (a[2] + r * b[2]).tanh()
            new = kept = n + z * (kept - n)
        else:
            new = (a[0] + b[0]).tanh()
        h = Rounded.apply(new, 1 / 128)
        outputs.append(h)
    return torch.stack(outputs, 1).mean(1)


@EACH
def test_gradients_are_straight_through_the_rounding_of_the_state(cell):
    made, (x, y) = model(cell, "mean"), example()
    batches = list(torch.randn(16, 4, STEPS, INPUTS, generator=torch.Generator().manual_seed(2)))
    graph = tl.prepare(made, x, precision=tl.Int8(float_head=True), calibration=batches)
    found = gradients(graph, x.numpy(), y)
    real: dict[str, Tensor] = {}
    for n in graph.leaves("param"):
        array, quant = graph.values[n.name].astype(np.float64), n.type.quant
        if quant is not None:
            array = array * np.reshape(quant.scale, [-1] + [1] * (array.ndim - 1))
        real[n.name] = torch.from_numpy(array).requires_grad_()
    entry = next(n for n in graph.nodes() if n.op == "quantize")
    scale, zero = entry.attrs["scale"], entry.attrs["zero_point"]
    given = ((x.double() / scale).round() + zero).clamp(-128, 127)
    layer = {k.removeprefix("layer."): v for k, v in real.items()}
    h = straight_through(cell, layer, (given - zero) * scale)
    F.cross_entropy(
        F.linear(h, real["fc.weight"], real["fc.bias"]), torch.from_numpy(y).long()
    ).backward()
    assert found.keys() == real.keys()
    for name, p in real.items():
        assert p.grad is not None
        largest = p.grad.abs().max().item()
        # the mean of the outputs is rounded to int8 once more
        np.testing.assert_allclose(
            found[name], p.grad.numpy(), rtol=0, atol=0.02 * largest, err_msg=name
        )


@EACH
def test_a_frozen_layer_keeps_its_last_output_only(cell):
    """As int8, from where the float32 head reads it; with it the head's result."""
    found = [compiled(model(cell), "last", steps) for steps in (10, 40)]
    assert [p.report.saved_bytes for p in found] == [(UNITS + CLASSES) * 4] * 2
    (loop,) = loops(found[0])
    assert (loop.type.dtype, loop.type.size) == ("int8", UNITS)
    few, many = (p.report.arena_bytes for p in found)
    assert many - few <= 30 * INPUTS + 8, "of all time steps there is the input, no product"


@pytest.mark.parametrize(("cell", "memory"), [("lstm", 4), ("gru", 4), ("rnn", 0)])
def test_a_trained_layer_keeps_bytes_of_its_state(cell, memory):
    few, many = (compiled(model(cell), "full", t).report.saved_bytes for t in (10, 30))
    assert (many - few) / 20 == pytest.approx(UNITS * (1 + memory) + INPUTS, abs=0.5)


@EACH
def test_frozen_weights_take_a_quarter(cell):
    layer = CELLS[cell](64, 64, batch_first=True)
    made = nn.Sequential(Outputs(layer), nn.Linear(64, CLASSES)).eval()
    x = torch.randn(1, STEPS, 64)
    batches = list(torch.randn(4, 2, STEPS, 64))
    kept = [
        tl.compile(made, x, "last", precision=p, calibration=b).constant_bytes
        for p, b in (("int8", batches), ("float32", None))
    ]
    count = sum(p.numel() for p in layer.parameters() if p.ndim == 2)
    assert 2.5 * count < kept[1] - kept[0] < 3 * count


class Outputs(nn.Module):
    """The last of a recurrent layer's outputs."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0][:, -1]


class Front(nn.Module):
    """An integer convolution in front of the recurrent layer."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.conv, self.layer = nn.Conv1d(3, 8, 3), layer
        self.fc = nn.Linear(layer.hidden_size, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layer(self.conv(x).relu().transpose(1, 2))[0][:, -1])


FLOATS = {
    "relu": lambda: nn.RNN(8, 6, batch_first=True, nonlinearity="relu"),
    "projection": lambda: nn.LSTM(8, 6, batch_first=True, proj_size=4),
}


@pytest.mark.parametrize("name", [*CELLS, *FLOATS])
def test_trains_behind_an_integer_convolution(name):
    """Where outputs have no bound, the layer computes in float32."""
    torch.manual_seed(0)
    layer = FLOATS[name]() if name in FLOATS else CELLS[name](8, 6, batch_first=True)
    made = Front(layer)
    if name == "projection":
        made.fc = nn.Linear(4, CLASSES)
    made.eval()
    x, y = torch.randn(1, 3, 12), np.array([3], np.int32)
    batches = list(torch.randn(8, 1, 3, 12))
    program = tl.compile(made, x, "full", target="host", precision="int8", calibration=batches)
    kinds = {n.name: n.type.dtype for n in program.params}
    assert kinds["conv.weight"] == "int8"
    assert kinds["layer.weight_hh_l0"] == ("float32" if name in FLOATS else "int8")
    with program.build("host") as trainer:
        logits = trainer.predict(x.numpy())
        losses = [trainer.step(x.numpy(), y) for _ in range(5)]
    np.testing.assert_allclose(logits, made(x).detach().numpy(), rtol=0, atol=0.05)
    assert losses[-1] < losses[0]


def test_a_batch_that_is_taken_for_time_has_one_size():
    """torch.export then writes the size of the batch into the attention that follows."""

    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.fc = nn.LSTM(9, 4), nn.Linear(12, 5)
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            y = self.layer(x)[0]
            return self.fc((y + self.attention(y, y, y, need_weights=False)[0]).flatten(1))

    x, batches = torch.randn(1, 3, 9), list(torch.randn(3, 1, 3, 9))
    assert tl.compile(
        Attends().eval(), x, "bias", target="host", precision="int8", calibration=batches
    )
