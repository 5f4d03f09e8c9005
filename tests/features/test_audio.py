"""Front ends of sound: torch's value is the demo's, and the C computes it from int16 samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.demo.features import DEVIATION, MEAN, mfcc
from trainlet.errors import DataError

RATE = 16_000


def clips(count: int, seed: int = 0) -> np.ndarray:
    """Coloured noise of changing loudness, int16 [count,RATE]."""
    rng = np.random.default_rng(seed)
    loud = np.abs(np.sin(np.arange(RATE) / 2000 + rng.uniform(0, 3, (count, 1)))) * 4000
    noise = rng.standard_normal((count, RATE)).cumsum(1)
    noise -= noise.mean(1, keepdims=True)
    made = loud * noise / np.abs(noise).max(1, keepdims=True)
    return made.round().astype(np.int16)


class Heard(nn.Module):
    """A small network behind a small front end."""

    def __init__(self, front: nn.Module) -> None:
        super().__init__()
        self.front = front
        self.conv = nn.Conv2d(1, 4, 3, stride=2, bias=False)
        self.norm, self.head = nn.BatchNorm2d(4), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.conv(self.front(x))).relu().mean((2, 3)))


def heard() -> Heard:
    torch.manual_seed(1)
    mel = tl.features.log_mel(frame=200, hop=160, fft=256, bands=12)
    return Heard(tl.features.mfcc(6, mel=mel, deviation=4.0)).eval()


def test_it_is_the_front_end_of_the_demo() -> None:
    front, made = tl.features.mfcc(mean=MEAN, deviation=DEVIATION), clips(3)
    found = front(torch.tensor(made)).numpy()[:, 0]
    assert np.abs(found - np.stack([mfcc(clip) for clip in made])).max() < 1e-4


def test_int16_is_float32_of_the_same_samples() -> None:
    made = torch.tensor(clips(2))
    for front in (tl.features.log_mel(peak=False), tl.features.log_mel()):
        torch.testing.assert_close(front(made), front(made / 32768), atol=1e-4, rtol=0)
    assert torch.isfinite(tl.features.mfcc()(torch.zeros(1, RATE, dtype=torch.int16))).all()


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_samples_go_in_and_the_network_learns(precision: str) -> None:
    """The C on the host has the emulated core's bits, and torch's value."""
    model, made = heard(), clips(6)[:, :4000]
    shown = {"calibration": [made]} if precision == "int8" else {}
    program = tl.compile(model, torch.tensor(made[:1]), "bias", precision=precision, **shown)
    assert [n.type.dtype for n in program.inputs] == ["int16"]
    label = np.array([2])
    with program.build("host") as host, program.build("unicorn", count=False) as board:
        found, expected = host.predict(made[:1]), model(torch.tensor(made[:1])).detach().numpy()
        assert np.abs(found - expected).max() < (1e-4 if precision == "float32" else 0.1)
        np.testing.assert_array_equal(found, board.predict(made[:1]))
        losses = [host.step(clip[None], label, 0.1) for clip in made]
        assert losses == [board.step(clip[None], label, 0.1) for clip in made]
        assert host.save() == board.save()
    assert losses[-1] < losses[0]


def test_the_oracle_and_the_simulation_agree() -> None:
    program = tl.compile(heard(), torch.tensor(clips(1)[:, :4000]), "last", target="host")
    x, y = clips(1)[:, :4000], np.array([1])
    loss, logits, _ = tl.evaluate(program, x, y)
    with program.build("sanitized") as trainer:
        assert np.abs(trainer.predict(x) - logits).max() < 1e-5
        assert abs(trainer.step(x, y) - loss) < 1e-5
    simulation = tl.simulate(program, experiments=2)
    assert np.abs(simulation.step(x, y) - loss).max() < 1e-5


def test_no_sample_is_copied_to_float32() -> None:
    """The arena holds the samples, the bands, and no spectrum of all frames."""
    front = tl.features.log_mel(frame=200, hop=160, fft=256, bands=12)
    program = tl.compile(Heard(front).eval(), torch.tensor(clips(1)), "last")
    ops = {n.op for n in program.graph.nodes()}
    assert "from_i16" not in ops and {"banded_spectrogram", "peak_i16"} <= ops
    assert program.arena_bytes < 2 * RATE + 2 * 4 * 99 * 12 + 2000


def test_what_is_no_sample_is_refused() -> None:
    program = tl.compile(heard(), torch.tensor(clips(1)[:, :4000]), "last", target="host")
    with program.build("host") as trainer:
        with pytest.raises(DataError, match="allowed: integers in -32768..32767, as the sensor"):
            trainer.predict(np.zeros((1, 4000), np.float32))
        with pytest.raises(DataError, match=r"holds integers in 40000\.\.40000; allowed: -32768"):
            trainer.predict(np.full((1, 4000), 40_000))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"fft": 500}, "fft is 500; allowed: a power of two"),
        ({"frame": 513}, "frame is 513; allowed: 1..512"),
        ({"high": 9000.0}, "low, high is .* allowed: 0 <= low < high <= 8000"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(asked: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        tl.features.log_mel(**asked)
