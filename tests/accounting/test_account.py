"""The account of a network: what its programs report, and what autograd saves."""

import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

import trainlet as tl
from trainlet.errors import SchemeError
from trainlet.pictures.accounts import COLOURS, account_axes, parts
from trainlet.planning.report import KIB

X = torch.zeros(1, 3, 8, 8)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
        nn.Linear(8 * 36, 4),
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def accounts() -> tl.Accounts:
    return tl.account(network(), X, ("last", "bias"))


@pytest.mark.parametrize("scheme", ["last", "bias"])
def test_the_bytes_are_those_of_the_program(accounts, scheme):
    def sizes(report):
        return (
            report.saved_bytes, report.arena_bytes, report.parameter_bytes, report.ram_bytes,
            report.flash_bytes,
        )  # fmt: skip

    report = tl.compile(network(), X, scheme).report
    assert sizes(accounts[scheme].report) == sizes(report)


def test_the_bytes_of_torch(accounts):
    """Of the last layer its input.  With the biases: the batch norm's input, which a frozen scale
    does not need, and the ReLU's result, which is the last layer's input."""
    result = 4 * 8 * 36
    assert accounts["last"].torch_bytes == result
    assert accounts["bias"].torch_bytes == 2 * result


def test_the_model_is_left_as_it_was():
    model = network()
    model[0].weight.requires_grad_(False)
    tl.account(model, X, ("last",), target="host")
    learns = {name: p.requires_grad for name, p in model.named_parameters()}
    assert learns.pop("0.weight") is False
    assert all(learns.values())


def test_schemes_by_name(accounts):
    named = {"half": {"4.weight": 0.5, "4.bias": 1.0}}
    half = tl.account(network(), X, named, target="host")["half"]
    assert half.report.saved_bytes < accounts["last"].report.saved_bytes
    assert half.torch_bytes == accounts["last"].torch_bytes  # torch has no shares


@pytest.mark.parametrize("schemes", ["bias", (), 3])
def test_schemes_that_are_none(schemes):
    with pytest.raises(tl.TrainletError, match="a list of presets"):
        tl.account(network(), X, schemes)


def test_the_parts_of_a_bar_are_the_ram(accounts):
    for row in accounts.rows:
        assert sum(parts(row).values()) == row.report.ram_bytes
    axes = Figure().add_subplot()
    account_axes(axes, accounts)
    assert len(axes.patches) == len(COLOURS) * len(accounts.rows)
    drawn = sum(patch.get_width() for patch in axes.patches)
    assert drawn == pytest.approx(sum(row.report.ram_bytes for row in accounts.rows) / KIB)


def test_a_target_that_is_too_small():
    small = tl.Target("cortex-m4", ram=8 * 1024)
    found = tl.account(network(), X, ("full",), target=small)
    assert found["full"].report.ram_bytes > small.ram
    assert found.verdict(found["full"]) == "too much"


def test_adapters_are_added_for_their_presets():
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 4)).eval()
    found = tl.account(model, torch.zeros(1, 32), ("lora", "lora_fa", "full"), target="host")
    lora = tl.adapt.lora(tl.prepare(model, torch.zeros(1, 32)))
    report = tl.compile(lora, None, "lora", target="host").report
    assert found["lora"].report.saved_bytes == report.saved_bytes
    kept = [found[name].report.saved_bytes for name in ("lora_fa", "lora")]
    assert kept[0] < kept[1]
    assert found["lora"].torch_bytes is None and found["full"].torch_bytes is not None
    small = {"lora": lambda graph: tl.adapt.lora(graph, rank=1)}
    less = tl.account(model, torch.zeros(1, 32), ("lora",), target="host", adapters=small)
    assert less["lora"].report.parameter_bytes < report.parameter_bytes


def test_a_scheme_that_does_not_suit_the_network_says_so_in_its_row():
    found = tl.account(network(), X, ("tinytl", "last"), target="host")
    assert [row.scheme for row in found.rows] == ["last"]
    with pytest.raises(SchemeError, match="inverted"):
        found["tinytl"]
    assert list(found.table().columns[0].cells) == ["last", "tinytl"]
    assert "inverted" in list(found.table().columns[-1].cells)[1]
    with pytest.raises(SchemeError, match="inverted"):
        tl.account(network(), X, ("tinytl",), target="host")
