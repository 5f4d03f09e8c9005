"""The published schemes, as the benchmark has them, against the networks that they are for."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

import trainlet as tl
from int8.networks import DATA, published_scheme

PATH = Path(__file__).parents[2] / "benchmarks" / "published_schemes.py"
SPEC = spec_from_file_location("published_schemes", PATH)
assert SPEC and SPEC.loader
MODULE = sys.modules.setdefault(SPEC.name, module_from_spec(SPEC))
SPEC.loader.exec_module(MODULE)
CONVOLUTIONS = {"mcunet-5fps": 42, "mbv2-w0.35": 51, "proxyless-w0.3": 60}


def backbone(network: str):
    path = DATA / "models" / "mcunet_int8" / f"{network}.npz"
    if not path.exists():
        pytest.skip(f"needs the published backbone, and {path} is absent")
    return tl.load(path, classes=10)


@pytest.mark.parametrize("network", CONVOLUTIONS)
def test_each_scheme_names_what_its_network_has(network):
    graph = backbone(network)
    layers = [n.name for n in graph.nodes() if n.op in ("conv2d_i8", "depthwise_i8")]
    assert len(layers) == CONVOLUTIONS[network]
    assert len(MODULE.SCHEMES[network]) == 5
    for published in MODULE.SCHEMES[network].values():
        ratios = published.of(graph).ratios
        biases = {name for name in ratios if name.endswith(".bias")}
        assert biases == {f"{name}.bias" for name in (*layers[-published.biases :], "classifier")}
        shares = [ratios[name] for name in ratios if name.endswith(".weight")]
        assert sorted(shares) == sorted([*filter(None, published.weights.values()), 1.0])


def test_the_smallest_of_mcunet_is_the_one_of_the_int8_tests():
    graph = backbone("mcunet-5fps")
    assert MODULE.SCHEMES["mcunet-5fps"]["49KB"].of(graph) == published_scheme(graph)
