"""The published sparse schemes against the networks that they are for, where their files are."""

import json

import numpy as np
import pytest

import trainlet as tl
from int8.networks import DATA
from trainlet.accounting.published.networks import INT8
from trainlet.accounting.published.sparse_schemes import SCHEMES, convolutions
from trainlet.accounting.published.sparse_update import CLASSES, int8_graph, memory, true

CONVOLUTIONS = {"mcunet-5fps": 42, "mbv2-w0.35": 51, "proxyless-w0.3": 60}
SMALLEST = SCHEMES["mcunet-5fps"]["49KB"]


def file_of(network: str):
    path = DATA / "models" / "mcunet_int8" / f"{network}.npz"
    if not path.exists():
        pytest.skip(f"needs the published backbone, and {path} is absent")
    return path


@pytest.mark.parametrize("network", INT8)
def test_the_structure_is_that_of_the_file(network):
    arrays = np.load(file_of(network))
    config = json.loads(arrays["config_json"].tobytes())
    parts = ("pointwise1", "depthwise", "pointwise2")
    blocks = [(f"blocks.{k}.{p}", b[p]) for k, b in enumerate(config["blocks"]) for p in parts]
    described = [
        (
            name, (layer["in_channel"], layer["out_channel"]),
            (layer["in_shape"], layer["out_shape"]), layer["kernel_size"][0], layer["groups"],
        )
        for name, layer in [("first_conv", config["first_conv"]), *blocks]
        if layer
    ]  # fmt: skip
    ours = [(c.name, c.channels, c.size, c.kernel, c.groups) for c in convolutions(INT8[network])]
    assert ours == described
    assert len(ours) == CONVOLUTIONS[network]


@pytest.mark.parametrize("network", INT8)
def test_the_graph_of_zeros_has_the_types_of_the_real_one(network):
    def types(graph):
        return [(n.name, n.op, n.type.shape, n.type.dtype) for n in graph.nodes()]

    real = tl.load(file_of(network), classes=CLASSES)
    assert types(int8_graph(INT8[network])) == types(real)


@pytest.mark.parametrize("network", INT8)
def test_each_scheme_names_what_its_network_has(network):
    names = {leaf.name for leaf in int8_graph(INT8[network]).leaves("param")}
    assert len(SCHEMES[network]) == 5
    for published in SCHEMES[network].values():
        ratios = published.update_scheme.ratios
        assert names.issuperset(ratios)
        assert sum(name.endswith(".bias") for name in ratios) == published.biases + 1
        shares = [ratios[name] for name in ratios if name.endswith(".weight")]
        assert sorted(shares) == sorted([*filter(None, published.weights.values()), 1.0])


def test_the_true_bytes_are_those_of_the_report():
    graph, precision = int8_graph(SMALLEST.network), tl.Int8(extra_bits=0, bias_bits=32)
    report = tl.compile(
        graph, None, SMALLEST.update_scheme, target="host", precision=precision
    ).report
    assert true(SMALLEST) == (report.saved_bytes, report.parameter_bytes)


def test_what_the_rule_of_the_paper_leaves_out():
    """The head's parameters, three of four bytes of its input, and its result; a bit for each
    element that a shortcut adds to, and for each mean."""
    layers = convolutions(SMALLEST.network)
    features = layers[-1].channels[1]
    added = [c for c in layers[-SMALLEST.biases :] if c.name.endswith("pointwise2") and c.held]
    head = 4 * (features + 1) * CLASSES + 3 * features + 4 * CLASSES
    masks = (sum(c.outputs for c in added) + features) // 8
    assert sum(true(SMALLEST)) == memory(SMALLEST) + head + masks
