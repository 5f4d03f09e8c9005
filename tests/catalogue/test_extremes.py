"""Where floating point is not like arithmetic: kernels and `eval` agree on NaN, infinity, ties."""

import numpy as np
import pytest

from catalogue.cases import evaluate
from trainlet.ir.types import TensorType
from trainlet.ops.op import OPS, build, leaf

NAN, INF = np.nan, np.inf
ANY = [NAN, INF, -INF, 0, -0.0, 1e-45, -1e-40, 3e38, -3e38, 1e19, 3, -3, 6, 88.8, -88.8, -103.9]
ROWS = [[NAN, 1, 2], [1, NAN, 2], [-INF, 0, 1], [0, -INF, 1], [INF, 0, 1], [3e38, -3e38, 0]]
ACTIVATIONS = "relu relu6 hard_sigmoid hard_swish sigmoid tanh silu gelu gelu_tanh".split()
WINDOW = {"kernel": (2, 2), "stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1)}


@pytest.fixture
def agree(library):
    """Checks that the kernel gives what `eval` gives."""

    def check(op, *arrays, **attrs):
        arrays = [a if a.dtype == np.int32 else a.astype("float32") for a in map(np.array, arrays)]
        arrays += [] if OPS[op].seed is None else [np.ones((), np.float32)]
        inputs = [leaf("input", "", TensorType(a.shape, str(a.dtype))) for a in arrays]
        node = build(op, *inputs, **attrs)
        with np.errstate(all="ignore"):
            expected = evaluate(node, dict(zip(inputs, arrays, strict=True)))
        found = library.run(node, arrays)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        return found

    return check


@pytest.mark.parametrize("op", ACTIVATIONS)
def test_activations(op, agree):
    assert np.isnan(agree(op, ANY)[0]), "NaN must go through"
    if f"{op}_mask" in OPS:
        agree(f"{op}_mask", ANY)
    else:
        agree(f"{op}_dx", ANY, ANY)


def test_softmax_and_cross_entropy(agree):
    agree("softmax", ROWS)
    for row in ROWS:
        for label in range(3):
            agree("cross_entropy", [row], np.array([label], np.int32), smoothing=0.1)
            agree("cross_entropy_dz", [row], np.array([label], np.int32), smoothing=0.1)


def test_a_nan_anywhere_makes_the_loss_nan(agree):
    assert np.isnan(agree("cross_entropy", [[0, NAN]], np.array([0], np.int32)))
    assert np.isnan(agree("mse", [0, NAN], [0, 0]))
    assert np.isnan(agree("bce", [0.5, NAN], [0.5, 0]))
    assert np.isnan(agree("bce_with_logits", [0, NAN], [0, 0]))


@pytest.mark.parametrize("p", [0, 1, 1e-40, 1 - 1e-7])
@pytest.mark.parametrize("target", [0, 1, 0.3])
def test_bce_at_certainty(p, target, agree):
    agree("bce", [p], [target])
    agree("bce_dz", [p], [target])


def test_bce_with_large_logits(agree):
    agree("bce_with_logits", [1000, -1000, 1000], [1, 0, 0])
    agree("bce_with_logits_dz", [1000, -1000, 1000], [1, 0, 0])


def test_max_pool_takes_the_first_of_equals_and_any_nan(agree):
    x = np.random.default_rng(0).integers(0, 3, (2, 6, 7, 3)).astype("float32")
    x[0, 2:4, 3:5, :2] = NAN
    x[1, :2] = -INF
    agree("max_pool", x, **WINDOW)
    agree("max_pool_winner", x, **WINDOW)


def test_adam_at_rest(agree):
    """No gradient yet: no step, and no division by zero."""
    zero = np.zeros((2, 3))
    agree("adam", zero, zero, zero, 0.9, 0.999, 0.1, eps=1e-8)
