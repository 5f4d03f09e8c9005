"""Every op on every sample: types, gradients, and the C kernel against the meaning."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from catalogue.cases import CASES, evaluate, leaves
from catalogue.kernels import (
    FILES,
    FOLDER,
    KERNEL_CASES,
    combined,
    prototypes,
    reference_sources,
)
from trainlet.backends.toolchain import compile_shared, host_compiler
from trainlet.errors import ShapeError
from trainlet.ops.op import OPS, in_place_candidates, leaf

TESTS = Path(__file__).parents[1]
EACH = pytest.mark.parametrize("case", CASES, ids=str)
EACH_KERNEL = pytest.mark.parametrize("case", KERNEL_CASES, ids=str)


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_has_samples(op):
    assert op.samples, "what is not run is not tested"


def test_one_kernel_an_op():
    """Or those that its record names."""
    run = [op for op in OPS.values() if not (op.alias or op.lowered or op.source)]
    names = [name for op in run for name in (op.name, *op.variants)]
    assert [file.stem for file in FILES] == sorted(names)


@EACH
def test_infer_is_the_type_of_eval(case):
    node, arrays = case.node(), case.draw()
    values = leaves(node, arrays, "float32")
    result = evaluate(node, values)
    assert (result.shape, str(result.dtype)) == (node.type.shape, node.type.dtype)
    for input, array in zip(node.inputs, arrays, strict=True):
        np.testing.assert_array_equal(values[input], array, "eval changed its input")


DIFFERENTIABLE = [
    pytest.param(case, k, id=f"{case}-{k}")
    for case in CASES
    if case.op.vjp and not case.rounds
    for k, rule in enumerate(case.op.vjp(case.node(), leaf("input", "g", case.node().type)))
    if rule is not None
]


@pytest.mark.parametrize(("case", "k"), DIFFERENTIABLE)
def test_vjp_against_finite_differences(case, k):
    node, rng, step = case.node(), case.rng(), 1e-6
    g = leaf("input", "g", node.type)
    gradient = case.op.vjp(node, g)[k]()
    assert gradient.type == node.inputs[k].type

    values = leaves(node, case.draw(), "float64")
    values[g] = rng.standard_normal(node.type.shape)
    found, x = evaluate(gradient, values), values[node.inputs[k]]
    assert found.shape == x.shape
    for _ in range(8):  # a random direction has a share of every element
        direction = rng.standard_normal(x.shape)
        ahead, behind = (
            evaluate(node, {**values, node.inputs[k]: x + s * direction}) for s in (step, -step)
        )
        expected = (values[g] * (ahead - behind)).sum() / (2 * step)
        terms = found * direction
        assert terms.sum() == pytest.approx(expected, abs=1e-6 * np.abs(terms).sum() + 1e-8)


@pytest.mark.parametrize("case", [case for case in CASES if case.op.narrow], ids=str)
def test_narrow_is_the_leading_part(case):
    node = case.node()
    values = leaves(node, case.draw(), "float64")
    whole = evaluate(node, values)
    if node.op in ("sum_to", "mul_sum") and whole.ndim != 1:
        with pytest.raises(ShapeError, match="only a vector"):
            case.op.narrow(node, 0.5)
        return
    part = evaluate(case.op.narrow(node, 0.5), values)
    assert 0 < part.size < whole.size
    np.testing.assert_allclose(part, whole[tuple(slice(n) for n in part.shape)], rtol=1e-12)


def assert_close(name, found, expected):
    assert found.shape == expected.shape and found.dtype == expected.dtype
    if found.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected)
        return
    ulp = np.spacing(np.abs(expected).max()).astype(np.float64)
    error = np.abs(found.astype(np.float64) - expected).max() / ulp
    assert error <= OPS[name].tolerance, f"{error} units in the last place of the largest element"


@EACH_KERNEL
def test_kernel_against_eval(case, library):
    node, arrays = case.node(), case.draw()
    expected = evaluate(node, leaves(node, arrays, "float32"))
    assert_close(node.op, library.run(node, arrays), expected)


@pytest.mark.parametrize(
    ("case", "k"),
    [
        pytest.param(c, k, id=f"{c}-{k}")
        for c in KERNEL_CASES
        for k in in_place_candidates(c.node())
    ],
)
def test_in_place_is_the_same(case, k, library):
    node, arrays = case.node(), case.draw()
    assert library.run(node, arrays, over=k).tobytes() == library.run(node, arrays).tobytes()


def test_prototypes_keep_their_promises(library):
    nodes = [case.node() for case in KERNEL_CASES]
    works_in_place = {OPS[n.op].kernel(n) for n in nodes if in_place_candidates(n)}
    leaves_old_values = {op.keeping for op in OPS.values()}
    for name, (result, *parameters) in library.parameters.items():
        pointers = [p for p in parameters if "*" in p and p != "uint8_t *work"]
        read = pointers[1:] if name in leaves_old_values else pointers
        assert all(p.startswith("const ") for p in read), f"{name} may write its inputs"
        if name in works_in_place:
            assert "restrict" not in result, f"{name} says that its result overlaps no input"


def test_sanitizers_find_nothing(tmp_path):
    asked = [*host_compiler(), "-print-file-name=libasan.so"]
    runtime = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    if not Path(runtime).is_absolute():
        pytest.skip("the compiler has no AddressSanitizer")
    # -Wno-error: the checks that gcc weaves in make it warn of conversions that are none.
    sanitize = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g1", "-Wno-error")
    files = reference_sources(tmp_path)
    together, include = combined(tmp_path, files), f"-I{FOLDER}"
    compile_shared([together], tmp_path / "kernels.so", include, *sanitize)
    environment = {
        **os.environ,
        "LD_PRELOAD": runtime,
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent / "src")]),
    }
    command = [sys.executable, "-m", "catalogue.kernels", str(tmp_path / "kernels.so")]
    command.append(json.dumps(prototypes(tmp_path, files)))
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
