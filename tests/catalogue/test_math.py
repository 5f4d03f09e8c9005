"""The kernels' own exp, log, tanh, sigmoid, erf and square root against float64."""

from pathlib import Path

import numpy as np
import pytest
from cffi import FFI
from scipy.special import ndtr

from catalogue.kernels import FOLDER
from catalogue.ulps import check_error
from trainlet.backends.toolchain import compile_shared

EVERYWHERE = np.arange(0, 2**32, 2003, dtype=np.uint64).astype(np.uint32).view(np.float32)
"""Two million numbers of all signs and exponents, denormals, infinities and NaNs among them."""
SPECIAL = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1e-45, 1.1754942e-38, 3.4028235e38], "f4")
USUAL = np.linspace(-110, 110, 1_000_001, dtype=np.float32)
NEAR_ZERO = np.linspace(-2, 2, 500_001, dtype=np.float32)
NUMBERS = np.concatenate([EVERYWHERE, SPECIAL, USUAL, NEAR_ZERO])

# name: (meaning in float64, largest error found in ulps, rounded up)
FUNCTIONS = {
    "exp": (np.exp, 1.25),
    "log": (np.log, 2),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), 2.5),
    "sqrt": (np.sqrt, 0.5),
    "tanh": (np.tanh, 1.5),
}
NORMAL_CDF_ERROR = 2e-7
"""Absolute: the approximation of erf is not made for the relative error far out in the tail."""


@pytest.fixture(scope="module")
def compute(tmp_path_factory):
    """compute(name, x, soft=False): the function over an array; soft for targets without an FPU."""
    folder, ffi = tmp_path_factory.mktemp("math"), FFI()
    ffi.cdef("".join(f"void each_{name}(float *, float *, int);" for name in NAMES))
    libraries = {}
    for soft, options in {False: [], True: ["-DTRAINLET_SOFT_SQRT"]}.items():
        path = folder / f"math_{soft}.so"
        source = Path(__file__).with_name("math.c")
        compile_shared([source], path, f"-I{FOLDER}", *options)
        libraries[soft] = ffi.dlopen(str(path))

    def call(name, x, soft=False):
        y = np.empty_like(x)
        given = [ffi.from_buffer("float[]", a) for a in (y, x)]
        getattr(libraries[soft], f"each_{name}")(*given, x.size)
        return y

    return call


NAMES = [*FUNCTIONS, "normal_cdf"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_in_ulps(name, compute):
    meaning, allowed = FUNCTIONS[name]
    found = compute(name, NUMBERS)
    with np.errstate(all="ignore"):
        exact = meaning(NUMBERS.astype(np.float64))
    check_error(found, exact, NUMBERS, allowed)


def test_normal_cdf(compute):
    with np.errstate(invalid="ignore"):
        exact = ndtr(NUMBERS.astype(np.float64))
    np.testing.assert_allclose(compute("normal_cdf", NUMBERS), exact, rtol=0, atol=NORMAL_CDF_ERROR)


def test_soft_square_root_is_the_hard_one(compute):
    exact_squares = np.arange(1, 4096, dtype=np.float32) ** 2
    beside = np.concatenate([np.nextafter(exact_squares, np.float32(k)) for k in (0, np.inf)])
    denormals = np.arange(1, 2**23, 97, dtype=np.uint32).view(np.float32)
    x = np.concatenate([EVERYWHERE, SPECIAL, exact_squares, beside, denormals])
    hard, soft = compute("sqrt", x), compute("sqrt", x, soft=True)
    numbers = ~np.isnan(hard)
    np.testing.assert_array_equal(np.isnan(soft), ~numbers)
    np.testing.assert_array_equal(soft[numbers].view(np.uint32), hard[numbers].view(np.uint32))
    assert numbers.sum() > 1_000_000
