"""Whatever is passed to a public function, it works or an error of Trainlet's leads on."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from errors.small import CLASSES, SHAPE, compiled, example, small
from hostile.ways_in import program
from trainlet.errors import DataError, SchemeError, TargetError, TrainletError, UnsupportedError

X = torch.zeros(SHAPE)
ODD = ["", "x", b"x", 5, 5.5, -1, 2**70, 1j, float("nan"), True, [], {}, {"a": 1}, (), {1},
       object(), np.zeros(7), torch.zeros(2), nn.ReLU(), lambda: 0, ["a", 1], 10**5000]  # fmt: skip
"""What nobody means; what a function accepts of it is left out where it is used."""


@pytest.mark.parametrize(
    "name",
    ["scheme", "target", "precision", "loss", "optimizer", "accumulate", "prefix", "tile", "stream",
     "max_ram", "max_recompute", "schedule"],
)  # fmt: skip
def test_no_argument_of_compile_ends_in_an_exception_of_others(name):
    for value in ODD:
        try:
            made = compiled(**{name: value})
        except TrainletError as error:
            assert len(str(error)) < 2000
        else:
            assert isinstance(made, tl.CompiledProgram), (name, value)


def test_odd_models_examples_and_calibrations():
    for value in ODD:
        for arguments in ((value, X, "last"), (small(), value, "last")):
            with pytest.raises(TrainletError):
                tl.compile(*arguments)
        if not (isinstance(value, nn.Module)):
            with pytest.raises(TrainletError):
                tl.load(value)
        with pytest.raises(TrainletError):
            tl.compile(small(), X, "last", precision="int8", calibration=value)
        with pytest.raises(TrainletError):
            tl.compile(small(), X, "last", precision="int8", calibration=[X, value])


@pytest.mark.parametrize(
    "scheme, message",
    [
        (["fc.bias"], r"\['fc\.bias'\]; allowed: {parameter: ratio}, such as {'fc\.bias': 1\.0}"),
        ({"fc.bias": "half"}, "'fc.bias' has ratio 'half'; allowed: 0..1"),
        ({"fc.bias": 1j}, "allowed: 0..1"),
        ({"fc.bias": 10**5000}, "that has no repr; allowed: 0..1"),
        ({5: 1.0}, "parameter 5 is not text"),
        ("biass", "unknown scheme 'biass'; .*did you mean 'bias'"),
        (None, "the scheme is missing; start with trainlet.schemes.bias"),
        (3, "the scheme is 3; allowed: {parameter: ratio}"),
    ],
)
def test_schemes(scheme, message):
    with pytest.raises(SchemeError, match=message):
        compiled(scheme=scheme)


@pytest.mark.parametrize("ratio", [np.float32(1), np.float64(1), np.int64(1), Fraction(1)])
def test_numbers_of_other_kinds_are_ratios(ratio):
    assert compiled(scheme={"fc.bias": ratio}).params


@pytest.mark.parametrize(
    "options, message",
    [
        ({"optimizer": "adam"}, r"use trainlet\.Adam\(lr=0\.001\)"),
        ({"optimizer": tl.SGD}, r"trainlet\.SGD\(lr=\.\.\.\)"),
        ({"max_ram": "64K"}, "write the number of bytes: max_ram=65536"),
        ({"max_ram": "1 MB"}, "max_ram=1048576"),
        ({"max_ram": 1.5}, "allowed: None, or a number of bytes above 0"),
        ({"max_recompute": "2"}, "max_recompute is '2'; allowed: a finite number"),
        ({"tile": "yes"}, "tile='yes'; allowed: True, False, None"),
        ({"target": "cortex-m77"}, "unknown target 'cortex-m77'; .*did you mean 'cortex-m7'"),
        ({"target": None}, "target=None; allowed: a Target, or one of host"),
        ({"loss": "cross-entropy"}, "unknown loss 'cross-entropy'; .*did you mean 'cross_entropy'"),
        ({"loss": nn.KLDivLoss()}, "loss=KLDivLoss.*; allowed: cross_entropy"),
        ({"loss": nn.BCELoss(weight=torch.ones(3))}, "BCELoss has weight=tensor"),
        ({"loss": nn.MSELoss(reduction="sum")}, "MSELoss has reduction='sum'; allowed: 'mean'"),
        ({"loss": nn.BCEWithLogitsLoss(pos_weight=torch.ones(3))}, "has pos_weight=tensor"),
    ],
)
def test_options_that_lead_on(options, message):
    with pytest.raises(TrainletError, match=message):
        compiled(**options)


def test_an_optimizer_of_torch_is_translated():
    parameters = [torch.zeros(1, requires_grad=True)]
    for made, text in (
        (torch.optim.SGD(parameters, lr=0.5, momentum=0.25), "trainlet.SGD(lr=0.5, momentum=0.25)"),
        (torch.optim.Adam(parameters, lr=0.5), "trainlet.Adam(lr=0.5, betas=(0.9, 0.999), eps="),
        (torch.optim.RMSprop(parameters, lr=0.5), "trainlet.RMSprop(lr=0.5, alpha=0.99, eps="),
        (torch.optim.Adagrad(parameters), "allowed: None, trainlet.SGD(lr=...)"),
    ):
        with pytest.raises(TrainletError) as caught:
            compiled(optimizer=made)
        assert text in str(caught.value)


@pytest.mark.parametrize(
    "torchs, ours",
    [
        (nn.CrossEntropyLoss(), "cross_entropy"),
        (nn.CrossEntropyLoss(label_smoothing=0.1), tl.Loss("cross_entropy", 0.1)),
        (nn.functional.cross_entropy, "cross_entropy"),
        (
            nn.CrossEntropyLoss(weight=torch.ones(3)),
            tl.Loss("cross_entropy", class_weights=[1] * 3),
        ),
        (nn.CrossEntropyLoss(ignore_index=0), tl.Loss("cross_entropy", ignore_index=0)),
        (nn.MSELoss(), "mse"),
        (nn.functional.mse_loss, "mse"),
        (nn.BCEWithLogitsLoss(), "bce_with_logits"),
    ],
)
def test_torchs_losses_compute_torchs_values(torchs, ours):
    logits = torch.tensor(tl.evaluate(compiled(loss=ours), example(), target(ours))[1])
    loss = tl.evaluate(compiled(loss=torchs), example(), target(ours))[0]
    assert loss == pytest.approx(float(torchs(logits, torch.tensor(target(ours)))), abs=1e-6)


def target(loss):
    labels = "cross_entropy" in (loss, getattr(loss, "name", ""))
    return np.array([1]) if labels else np.array([[0.25, 1, 0]], np.float32)


MODELS = {
    "meta": (lambda: nn.Linear(8, 4, device="meta"), DataError, r"'weight' has no data \(device"),
    "lazy": (lambda: nn.LazyLinear(4), DataError, "has no shape yet; run the model once"),
    "class": (lambda: nn.Linear, TrainletError, r"the class Linear; .*pass an instance: Linear"),
    "state": (lambda: nn.Linear(8, 4).state_dict(), TrainletError, "of a state_dict, pass the net"),
    "double": (lambda: nn.Linear(8, 4).double(), UnsupportedError, r"float64; .*model\.float\(\)"),
    "half": (lambda: nn.Linear(8, 4).half(), UnsupportedError, r"float16; .*model\.float\(\)"),
    "complex": (lambda: nn.Linear(8, 4).to(torch.complex64), UnsupportedError, "real numbers"),
    "sparse": (lambda: sparse(), UnsupportedError, "is sparse_coo; allowed: dense tensors"),
    "expanded": (lambda: expanded(), UnsupportedError, r"at most 536,870,912 are accepted"),
}  # fmt: skip


def sparse() -> nn.Module:
    model = nn.Linear(8, 4)
    model.weight = nn.Parameter(torch.eye(8)[:4].to_sparse())
    return model


def expanded() -> nn.Module:
    """576 GiB by its sizes, four bytes in memory."""
    model = nn.Linear(8, 4)
    model.register_buffer("mask", torch.zeros(1).expand(1 << 20, 1 << 14, 9))
    return model


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_parameters_that_hold_nothing_usable(name, precision):
    make, kind, message = MODELS[name]
    shown = {"calibration": [torch.zeros(2, 8)]} if precision == "int8" else {}
    with pytest.raises(kind, match=message):
        tl.compile(make(), torch.zeros(1, 8), "last", precision=precision, **shown)


@pytest.mark.parametrize("given", [
    torch.zeros(SHAPE, requires_grad=True), torch.zeros(SHAPE, dtype=torch.float64), X.numpy(),
    np.zeros(SHAPE), torch.zeros(SHAPE, dtype=torch.bfloat16), X.tolist() and (X.tolist(),), [X],
])  # fmt: skip
def test_examples_of_many_kinds_work(given):
    assert tl.compile(small(), given, {"fc.bias": 1}, target="host").params


@pytest.mark.parametrize(
    "given, kind, message",
    [
        (torch.zeros(SHAPE, device="meta"), DataError, "example input 0 has no data"),
        (torch.zeros(SHAPE, dtype=torch.int64), UnsupportedError, "allowed: torch.float32"),
        (torch.zeros(SHAPE, dtype=torch.bool), UnsupportedError, "allowed: torch.float32"),
        (torch.zeros(SHAPE).to_sparse(), UnsupportedError, "is sparse_coo"),
        (torch.zeros(1, 2, 0, 6), UnsupportedError, "shape"),
        (torch.tensor(0.0), UnsupportedError, "shape"),
        ({"x": X}, DataError, "allowed: one tensor, or a tuple"),
        (None, DataError, "needs example_inputs"),
        (torch.zeros(1).expand(1, 2, 40_000, 40_000), DataError, "at most 536,870,912 are accept"),
    ],
)
def test_examples_that_cannot_be_used(given, kind, message):
    with pytest.raises(kind, match=message):
        tl.compile(small(), given, {"fc.bias": 1}, target="host")


def calibrated(calibration):
    return tl.compile(small(), X, "last", target="host", precision="int8", calibration=calibration)


def test_calibrations_that_work():
    data = torch.randn(6, *SHAPE[1:], generator=torch.Generator().manual_seed(0))
    pairs = torch.utils.data.TensorDataset(data, torch.zeros(6, dtype=torch.int64))
    made = [
        data, [data], (data[k : k + 2] for k in range(0, 6, 2)), [data.double().numpy()],
        torch.utils.data.DataLoader(pairs, batch_size=6), [data.clone().requires_grad_()],
    ]  # fmt: skip
    arenas = {calibrated(one).arena_bytes for one in made}
    assert len(arenas) == 1


@pytest.mark.parametrize(
    "calibration, message",
    [
        ("inputs.npz", r"calibration is 'inputs\.npz'; allowed: a list of batches"),
        (5, "calibration is 5; allowed: a list"),
        ({"x": X}, "allowed: a list of batches"),
        ([{"x": X}], "batch 0 is a mapping"),
        ([X * 1j], "is not an array of numbers: complex64"),
        ([np.zeros(SHAPE).astype("M8[s]")], "not an array of numbers: datetime64"),
        ([np.full(SHAPE, None)], "not an array of numbers: object"),
        ([(X, X)], r"has 2 inputs, the model takes 1; .*\[x for x, _ in batches\]"),
        ([X, X * torch.nan], "batch 1 holds 72 values that are NaN"),
        (itertools.repeat(X[:0]), "batch 0 has shape"),
    ],
)
def test_calibrations_that_cannot_be_used(calibration, message):
    with pytest.raises(DataError, match=message):
        calibrated(calibration)


def test_calibration_without_an_end(monkeypatch):
    monkeypatch.setattr("trainlet.frontends.calibration.MOST_BATCHES", 50)
    with pytest.raises(DataError, match="over 50 calibration batches; a hundred are enough"):
        calibrated(itertools.repeat(X))
    monkeypatch.setenv("TRAINLET_MAX_FILE_BYTES", "1000")
    with pytest.raises(DataError, match="4 calibration batches: 1,152 bytes; at most 1,000"):
        calibrated(itertools.repeat(X))


@pytest.fixture(scope="module")
def trainer():
    with program().build("host") as trainer:
        yield trainer


def test_inputs_as_torch_numpy_and_lists_give_them(trainer):
    x = torch.tensor(example())
    for given in (x, x.clone().requires_grad_(), x.bfloat16(), x.half(), x.double(), x.tolist(),
                  x[0], x.numpy().astype(">f8"), {"x": x}, x > 0, x.to(torch.int8)):  # fmt: skip
        loss = trainer.step(given, torch.tensor([1]))
        assert np.isfinite(loss)
        assert trainer.predict(given).shape == (1, CLASSES)
    for label in (1, [1], np.uint8([1]), np.array([[1]]), torch.tensor(1), np.uint64([2])):
        trainer.step(x, label)
    for rate in (0, 0.1, np.float32(0.1), torch.tensor(0.1), np.array(0.1), Fraction(1, 10)):
        trainer.step(x, 1, rate)


@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
def test_nothing_else_leaves_the_trainer(trainer, value):
    x, before = example(), trainer.save()
    for call in (
        lambda: trainer.step(value, [0]),
        lambda: trainer.predict(value),
        lambda: trainer.step({"x": value}, [0]),
        lambda: trainer.load(value),
        lambda: trainer.load_state({"fc.bias": value}),
        lambda: tl.evaluate(program(), value, [0]),
    ):
        with pytest.raises(TrainletError):
            call()
    for call in (lambda: trainer.step(x, value), lambda: trainer.step(x, [0], value)):
        try:
            assert np.isfinite(call())
            trainer.load(before)
        except TrainletError:
            pass
    assert trainer.save() == before


@pytest.mark.parametrize(
    "x",
    [torch.zeros(SHAPE, device="meta"), torch.zeros(SHAPE).to_sparse(), np.zeros(SHAPE, complex),
     np.full(SHAPE, 1e300), np.full(SHAPE, "a"), [[1, 2], [3]], np.ma.masked_all(SHAPE),
     {"y": example()}, {1: example(), "x": example()}, torch.zeros(SHAPE) * torch.nan],
)  # fmt: skip
def test_inputs_that_cannot_be_used(trainer, x):
    with pytest.raises(DataError):
        trainer.step(x, [0])


@pytest.mark.parametrize(
    "label", [1.0, -1, CLASSES, 2**40, np.uint64(2**63), None, "", [], [0, 1], True, 2**70, "0"]
)
def test_labels_that_cannot_be_used(trainer, label):
    with pytest.raises(DataError):
        trainer.step(example(), label)


@pytest.mark.parametrize("rate", ["0.1", True, np.nan, np.inf, 1e39, 10**400, [0.1], 1j, {}])
def test_rates_that_cannot_be_used(trainer, rate):
    with pytest.raises(DataError, match="learning rate is .*; allowed: a finite number"):
        trainer.step(example(), [0], rate)


def test_a_target_of_another_shape_is_not_read_as_if_it_were_right():
    """Two rows of three numbers are not three rows of two."""
    made = tl.compile(small(), torch.zeros(2, *SHAPE[1:]), "last", target="host", loss="mse")
    x = np.repeat(example(), 2, 0)
    with pytest.raises(DataError, match=r"shape \(3, 2\); allowed: \(2, 3\)"):
        tl.evaluate(made, x, np.zeros((3, 2)))
    tl.evaluate(made, x, np.zeros((2, 3, 1)))
    with pytest.raises(DataError, match="holds NaN or infinity"):
        tl.evaluate(made, x, np.full((2, 3), 1e300))


def test_a_closed_trainer_says_so():
    trainer = program().build("host")
    trainer.close()
    trainer.close()
    for call in (
        lambda: trainer.step(example(), [0]), lambda: trainer.predict(example()), trainer.save,
        trainer.state, trainer.reset, lambda: trainer.load(b""), lambda: trainer.load_state({}),
        lambda: trainer.instructions,
    ):  # fmt: skip
        with pytest.raises(TrainletError, match="the trainer is closed; build another one"):
            call()


def test_odd_values_for_the_other_public_names():
    for value in ODD:
        for call in (
            lambda v: tl.Target(v, ram=v), lambda v: tl.Target("cortex-m7", stack=v),
            lambda v: tl.Target("x", cpu=[v]), lambda v: tl.Int8(gradient=v),
            lambda v: tl.Int8(seed=[v]), lambda v: tl.Int8(qas=[v]), lambda v: tl.Loss(v),
            lambda v: tl.SGD(lr=[v]), lambda v: tl.Adam(betas=v), lambda v: tl.UpdateScheme([v]),
            lambda v: tl.simulate(v, 2), lambda v: tl.simulate(program(), [v]),
            lambda v: tl.simulate(program(), 2, seeds=v), lambda v: tl.Target.preset(v),
            lambda v: program().build(v), lambda v: tl.UpdateScheme.load([v]),
            lambda v: tl.simulate(program(), 2, [v]), lambda v: tl.schemes.bias([v]),
            lambda v: tl.schemes.preset(v, small()), lambda v: tl.forward(v, X),
            lambda v: tl.evaluate(v, X, [0]),
        ):  # fmt: skip
            with pytest.raises(TrainletError):
                call(value)


def test_typos_get_the_word_that_was_meant():
    with pytest.raises(TrainletError, match="did you mean 'unicorn'"):
        program().build("unicron")
    with pytest.raises(TargetError, match="did you mean 'cortex-m55'"):
        tl.Target.preset("cortex-m5")
    with pytest.raises(TrainletError, match="did you mean 'int8'"):
        compiled(precision="int88")
