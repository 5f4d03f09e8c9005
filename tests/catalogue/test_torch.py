"""Values and gradients against PyTorch, optimisers over several steps."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from catalogue.cases import CASES, evaluate, leaves
from catalogue.torch_reference import REFERENCE
from trainlet.ir.graph import Node, topological
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.objective import LOSSES
from trainlet.ops.op import OPS, leaf
from trainlet.ops.optimizer import OPTIMIZERS, SGD, Adam, RMSprop, Updates
from trainlet.ops.quantized.precision import Int8

TOLERANCE = 3e-7
"""The arithmetic is float64, but constants such as 1/6 are float32, as they are in C."""


def as_torch(arrays):
    """Tensors in float64, and those that want a gradient."""
    tensors = [torch.from_numpy(a.astype("float64") if a.dtype.kind == "f" else a) for a in arrays]
    return tensors, [t.requires_grad_() for t in tensors if t.is_floating_point()]


def compare(found, expected):
    scale = np.abs(expected).max() + 1e-3
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE * scale)


def check_against_torch(node: Node, arrays: list[np.ndarray]) -> None:
    values = leaves(node, arrays, "float64")
    tensors, floats = as_torch(arrays)
    expected = REFERENCE[node.op](*tensors, **node.attrs)
    compare(evaluate(node, values), expected.detach().numpy())

    seed = torch.randn(expected.shape, dtype=torch.float64)
    seed = torch.ones_like(seed) if node.op in LOSSES else seed
    learns = floats if expected.requires_grad else []
    gradients = iter(
        torch.autograd.grad(expected, learns, seed, allow_unused=True) if learns else ()
    )
    g = leaf("input", "g", node.type)
    values[g] = seed.numpy()
    for rule, t in zip(OPS[node.op].vjp(node, g), tensors, strict=True):
        gradient = next(gradients, None) if t.requires_grad else None
        if rule is not None:
            compare(evaluate(rule(), values), gradient.numpy())


def test_every_differentiable_op_has_a_reference():
    assert sorted(REFERENCE) == sorted({c.op.name for c in CASES if c.op.vjp and not c.rounds})


@pytest.mark.parametrize("case", [c for c in CASES if c.op.vjp and not c.rounds], ids=str)
def test_value_and_gradients(case):
    torch.manual_seed(case.number)
    check_against_torch(case.node(), case.draw())


@pytest.mark.parametrize(
    ("ours", "theirs", "tolerance"),
    [
        (SGD(), torch.optim.SGD, 1e-6),
        (SGD(momentum=0.9), lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9), 1e-6),
        # 1 - beta2^t is taken of a float32 power; the first steps lose six of its bits.
        (Adam(), torch.optim.Adam, 1e-5),
        (Adam(betas=(0.8, 0.99), eps=1e-3),
         lambda p, lr: torch.optim.Adam(p, lr, betas=(0.8, 0.99), eps=1e-3), 1e-5),
        (RMSprop(), torch.optim.RMSprop, 1e-6),
        (RMSprop(alpha=0.8, eps=1e-3),
         lambda p, lr: torch.optim.RMSprop(p, lr, alpha=0.8, eps=1e-3), 1e-6),
    ],
    ids=["sgd", "momentum", "adam", "adam-other", "rmsprop", "rmsprop-other"],
)  # fmt: skip
def test_optimizer_over_five_steps(ours, theirs, tolerance):
    rng, rate = np.random.default_rng(0), 0.1
    start = {"a": rng.standard_normal((4, 3)), "b": rng.standard_normal(5)}
    params = {name: leaf("param", name, TensorType(v.shape)) for name, v in start.items()}
    grads = {name: leaf("input", f"g.{name}", p.type) for name, p in params.items()}
    updates = Updates()
    ours.update({params[name]: grads[name] for name in params}, updates)
    values = {name: v.astype("float32") for name, v in {**start, **updates.values}.items()}

    tensors = {name: torch.tensor(v, dtype=torch.float32) for name, v in start.items()}
    optimizer = theirs(tensors.values(), rate)
    for _ in range(5):
        given = {f"g.{k}": rng.standard_normal(v.shape, "float32") for k, v in start.items()}
        values |= given | {"lr": np.float32(rate)}
        roots = updates.outputs.values()
        known = {n: values[n.name] for n in topological(roots) if n.is_leaf}
        values |= {key.removeprefix("new."): evaluate(n, known)
                   for key, n in updates.outputs.items()}  # fmt: skip
        for name, t in tensors.items():
            t.grad = torch.from_numpy(given[f"g.{name}"])
        optimizer.step()
        for name, t in tensors.items():
            assert values[name].dtype == np.float32
            np.testing.assert_allclose(values[name], t.numpy(), rtol=0, atol=tolerance)


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_optimizer_on_integers(make):
    """In five steps no int8 weight is farther from torch's than half a unit a step."""
    rng, unit, rate = np.random.default_rng(1), 0.01, make().lr
    kind = TensorType((4, 3), "int8", Quant((unit,) * 4, (0,) * 4, 0))
    p, g = leaf("param", "w", kind), leaf("input", "g", TensorType((4, 3)))
    updates = Updates(precision=Int8(rounding="nearest"))
    make().update({p: g}, updates)
    values = {"w": rng.integers(-20, 20, (4, 3)).astype(np.int8), "lr": np.float32(rate)}
    values |= updates.values

    theirs = torch.tensor(values["w"] * unit, dtype=torch.float32, requires_grad=True)
    options = {f.name: getattr(make(), f.name) for f in fields(make()) if f.name != "groups"}
    optimizer = getattr(torch.optim, type(make()).__name__)([theirs], **options)
    for _ in range(5):
        values["g"] = 10 * rng.standard_normal((4, 3), "float32")
        known = {n: values[n.name] for n in topological(updates.outputs.values()) if n.is_leaf}
        values |= {key.removeprefix("new."): evaluate(n, known)
                   for key, n in updates.outputs.items()}  # fmt: skip
        theirs.grad = torch.from_numpy(values["g"])
        optimizer.step()
    assert values["w"].dtype == np.int8
    np.testing.assert_allclose(values["w"] * unit, theirs.detach(), rtol=0, atol=2.5 * unit + 1e-5)
