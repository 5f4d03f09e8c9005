"""Inputs in the order of forward's, parameters by their first name, and errors that lead on."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import trainlet as tl
from trainlet.backends.interface import interface_of
from trainlet.errors import SchemeError, UnsupportedError
from trainlet.run.simulated import OracleDevice

X, Z = torch.randn(2, 6), torch.randn(2, 6)


class Two(nn.Module):
    """Reads its second input first."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(6, 3)

    def forward(self, x: Tensor, z: Tensor, scale: float = 2.0) -> Tensor:
        return self.a(z) * scale - self.a(x)


@pytest.mark.parametrize("examples", [(X, Z), (X, X), (X, X.view(2, 6)), (X[:1], X[1:])])
def test_inputs_come_in_the_order_of_forwards(examples):
    model = Two().eval()
    program = tl.compile(model, examples, "full", target="host")
    assert [n.name for n in program.inputs] == ["x", "z"]
    assert [a.name for a in interface_of(program).inputs] == ["x", "z"]
    x, z = (e + k for k, e in enumerate(examples))
    with program.build("host") as trainer:
        found = trainer.predict({"x": x.numpy(), "z": z.numpy()})
    np.testing.assert_allclose(found, model(x, z).detach(), rtol=1e-4, atol=1e-5)


def test_inputs_by_name_alone_come_in_the_order_of_the_export():
    class ByName(Two):
        def forward(self, x: Tensor, *, z: Tensor, late: Tensor) -> Tensor:
            return super().forward(z, late) + self.a(x)

    program = torch.export.export(ByName().eval(), (X,), {"z": Z, "late": X + Z})
    assert [n.name for n in tl.compile(program, None, "full", target="host").inputs] == [
        "x", "z", "late",
    ]  # fmt: skip
    assert tl.check(program, None, "full").same


def test_an_input_that_nothing_depends_on_is_refused_by_its_name():
    class Unused(Two):
        def forward(self, x: Tensor, z: Tensor) -> Tensor:
            return self.a(x)

    with pytest.raises(UnsupportedError, match="does not depend on the input 'z'"):
        tl.compile(Unused(), (X, Z), "full")
    merged = torch.export.export(Two().eval(), (X, X))
    with pytest.raises(UnsupportedError, match=r"on the input 'x'.*give each its own"):
        tl.compile(merged, None, "full")


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enc, self.dec, self.out = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.dec.weight = self.enc.weight
        self.unused = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.dec(torch.tanh(self.enc(x))))


TRAINED = ["enc.weight", "enc.bias", "dec.bias", "out.weight", "out.bias"]


@pytest.mark.parametrize("preset", ["full", "last", "bias", "norm"])
def test_presets_name_a_tied_weight_once_and_leave_out_what_is_unused(preset: str, tmp_path):
    model = Tied().eval()
    chosen = tl.schemes.preset(preset, model)
    assert "dec.weight" not in chosen
    by_object, by_name = (
        sorted(n.name for n in tl.compile(model, X, s, target="host").params)
        for s in (chosen, preset)
    )
    assert by_object == by_name and set(by_name) <= set(TRAINED)
    if preset == "full":
        assert by_name == sorted(TRAINED)
        path = tmp_path / "net.pt2"
        torch.export.save(torch.export.export(model, (X,)), path)
        assert sorted(tl.schemes.full(tl.load(path))) == sorted(TRAINED)
    assert tl.check(model, X, chosen).same


def test_any_name_of_a_tied_weight_will_do():
    model = Tied().eval()
    found = tl.check(model, X, {"dec.weight": 0.5})
    assert found.same and [row.name for row in found.rows] == ["loss", "enc.weight"]
    with pytest.raises(SchemeError, match="are one parameter"):
        tl.compile(model, X, {"dec.weight": 0.5, "enc.weight": 1}, target="host")


def test_why_a_parameter_does_not_learn():
    model = Tied().eval()
    model.out.bias.requires_grad_(False)
    for name, why in {
        "unused.weight": "the output does not depend on parameter 'unused.weight'",
        "out.bias": "'out.bias' does not learn in the model: .* requires_grad=False",
        "enc.wait": "unknown parameter, 'enc.wait'; closest .*enc.weight",
    }.items():
        with pytest.raises(SchemeError, match=why):
            tl.compile(model, X, {name: 1}, target="host")
    assert "out.bias" not in tl.schemes.full(model)


@pytest.mark.parametrize("name", ["enc.bias", "out.bias"])
def test_a_vector_has_no_share_of_input_channels(name: str):
    with pytest.raises(SchemeError, match=rf"{name}.* has ratio 0\.5.*allowed for it: 0 or 1\.0"):
        tl.compile(Tied().eval(), X, {name: 0.5}, target="host")


def test_memory_that_is_shared_in_part_is_refused():
    class Shared(Tied):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("copy", self.enc.weight.detach()[:3])

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + F.linear(x, self.copy)

    with pytest.raises(UnsupportedError, match="buffer 'copy' shares its memory .*'enc.weight'"):
        tl.compile(Shared().eval(), X, "full", target="host")


class Volumes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.ConvTranspose3d(1, 4, 2))
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.encoder(x).mean((2, 3, 4)))


def test_an_unknown_layer_is_named_as_the_user_wrote_it():
    said = (
        r"nn\.ConvTranspose3d 'encoder\.0' at .*test_names_and_order\.py:\d+ needs the operator "
        r"'conv_transpose3d'.*"
    )
    with pytest.raises(UnsupportedError, match=said) as caught:
        tl.compile(Volumes(), torch.zeros(1, 1, 2, 2, 2), "last")
    assert "nn.Conv3d" in str(caught.value) and len(str(caught.value)) < 400


def test_a_plain_loss_is_of_the_first_of_several_results():
    class Heads(Two):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"a": self.a(x), "b": self.a(x).sum(1)}

    made = [lambda h: (h, h), lambda h: [h, h.relu()]]
    models = [Heads()]
    for several in made:

        class Twice(Two):
            def forward(self, x: Tensor, made=several) -> object:
                return made(self.a(x))

        models.append(Twice())
    for model in models:
        program = tl.compile(model, X, "last", target="host")
        found = tl.Trainer(program, OracleDevice(program)).predict(X)
        np.testing.assert_allclose(found, model.a(X).detach(), rtol=1e-5, atol=1e-6)
