"""Inputs that share a name with something else of the program: refused, with what to change."""

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from names.networks import network, program


@pytest.mark.parametrize("name", ["target", "lr"])
def test_an_input_called_like_one_that_every_trainer_has(name: str) -> None:
    with pytest.raises(tl.errors.UnsupportedError, match=f"input '{name}'.*'{name}_input'"):
        program(network(["x", name]))


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, scale: torch.Tensor) -> torch.Tensor:
        return scale * self.scale


@pytest.mark.parametrize("scheme", ["full", {"scale": 0.5}])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_an_input_called_like_a_parameter(scheme: object, precision: str) -> None:
    given = {"calibration": [np.ones((1, 3), np.float32)]} if precision == "int8" else {}
    with pytest.raises(tl.errors.UnsupportedError, match=r"input 'scale'.*'scale_input'"):
        tl.compile(Shared(), torch.zeros(1, 3), scheme, target="host", precision=precision, **given)  # type: ignore[call-overload]


@pytest.mark.parametrize("name", ["loss", "logits", "w.folded", "new.w", "grad.w", "state"])
def test_names_that_only_the_graph_s_outputs_have_are_free(name: str) -> None:
    with program(network([name])).build("host") as trainer:
        assert np.isfinite(trainer.step({name: np.ones((1, 3))}, [0]))
