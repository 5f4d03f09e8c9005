"""The papers' figures come out of the papers' rules to the last digit."""

import pytest

import trainlet as tl
from trainlet.accounting.published.layers import layers_of
from trainlet.accounting.published.networks import MOBILENET_V2, PROXYLESS_MOBILE


@pytest.mark.parametrize(("name", "figures"), [("tinytl", 8), ("sparse-update", 15)])
def test_every_figure_to_the_last_digit(name, figures):
    table = tl.published(name)
    assert len(table.figures) == figures
    assert {f.name: table.in_unit(f.by_rules) for f in table.figures} == {
        f.name: f.paper for f in table.figures
    }


def test_the_training_wall():
    table = tl.published("training-wall")
    printed = {f.name: (f.paper, f"{f.by_rules / 1e6:.0f}") for f in table.figures if f.paper}
    assert printed == {
        "training, batch 8": ("452", "452"),
        "inference, batch 1": ("20", "20"),
    }


def test_at_equal_batch_the_wall_is_lower():
    true = {f.name: f.true["true"] for f in tl.published("training-wall").figures}
    assert f"{true['training, batch 8'] / true['inference, batch 1']:.1f}" == "22.6"
    assert f"{true['training, batch 1'] / true['inference, batch 1']:.1f}" == "3.4"


def test_the_true_bytes_of_tinytl_with_group_norm():
    """The networks need them by the gradient of group norm; the paper charges 37.1 MB for L+B."""
    table = tl.published("tinytl")
    true = {f.name: [table.in_unit(n) for n in f.true.values()] for f in table.figures}
    assert true["norm + last, 224x224, batch 8"] == ["192.4", "57.5"]
    assert true["TinyTL-B, 224x224, batch 8"] == ["179.5", "54.3"]
    assert true["TinyTL-L+B, 224x224, batch 8"] == ["193.9", "68.6"]
    assert true["TinyTL-L+B, 224x224, batch 1"] == ["33.5", "17.9"]


@pytest.mark.parametrize(
    ("network", "parameters"), [(MOBILENET_V2, 3_504_872), (PROXYLESS_MOBILE, 4_080_512)]
)
def test_the_networks_have_their_published_number_of_parameters(network, parameters):
    layers = layers_of(network, 224, 1000)
    assert sum(layer.weights + layer.biases for layer in layers) == parameters


def test_an_unknown_table():
    with pytest.raises(tl.TrainletError, match="did you mean 'tinytl'"):
        tl.published("tinytI")
