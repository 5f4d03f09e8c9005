"""Each operator's form in ATen makes of the operator's own samples what the oracle makes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainlet.backends.aten import module  # noqa: F401  it fills the table
from trainlet.backends.aten.table import FORMS, computed
from trainlet.ops.op import OPS, build, leaf

PACKED = {
    "relu_mask", "relu6_mask", "hard_sigmoid_mask", "mask_dx", "leaky_relu_dx",
}  # fmt: skip
"""Whose masks have another form here: networks test them."""
SAMPLES = [
    (name, k) for name in sorted(FORMS.keys() - PACKED) for k in range(len(OPS[name].samples))
]


@pytest.mark.parametrize(("name", "k"), SAMPLES)
def test_equals_the_oracle(name, k):
    sample, rng = OPS[name].samples[k], np.random.default_rng(0)
    inputs = [leaf("input", f"x{i}", t) for i, t in enumerate(sample.types)]
    values = [
        np.asarray(sample.values[i](rng) if i in sample.values else rng.standard_normal(t.shape))
        for i, t in enumerate(sample.types)
    ]
    arrays = [v.astype(t.dtype) for v, t in zip(values, sample.types, strict=True)]
    n = build(name, *inputs, **sample.attrs)
    with np.errstate(all="ignore"):
        expected = np.asarray(OPS[name].eval(*arrays, **n.attrs))
    found = computed(n, *map(torch.tensor, arrays)).numpy()
    assert found.shape == n.type.shape
    largest = np.abs(expected[np.isfinite(expected)]).max(initial=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-6 * largest)
