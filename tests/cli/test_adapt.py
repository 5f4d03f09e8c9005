"""--adapt: adapters on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.data import write_data


def test_compile_writes_a_trainer_of_the_adapters(run, net):
    options = ("--adapt", "lora:rank=2,alpha=4,layers=0", "--scheme", "lora")
    result = run("compile", net, *options)
    assert result.exit_code == 0, result.output
    record = json.loads(Path("out/trainer.json").read_text())
    names = {leaf["name"] for leaf in record["leaves"]}
    assert {"0.lora_A", "0.lora_B", "2.weight", "2.bias"} <= names and "0.weight" not in names


def test_a_stage_shows_the_adapters(run, net):
    options = ("--adapt", "lora:rank=2,layers=*", "--scheme", "lora_fa")
    text = run("compile", net, *options, "--stop-after", "freeze").stdout
    assert "= const() {'adapter': 'lora_A'} \"0.lora_A\"" in text
    assert "param() {'adapter': 'lora_B'" in text


def test_run_trains_the_adapters(run, net):
    data = write_data("train.npz")
    words = ("run", net, "--data", data, "--adapt", "lora:rank=2,layers=0", "--scheme", "lora")
    result = run(*words, "--epochs", 3)
    assert result.exit_code == 0, result.output
    assert "accuracy" in result.stdout


@pytest.mark.parametrize(
    ("adapt", "message"),
    [
        (
            "dora",
            "unknown adapter 'dora'; allowed: cosine_head, lora, tinytl; did you mean 'lora'?",
        ),
        ("lora:rnk=2", "'rnk=2' is no option of lora; allowed: OPTION=VALUE with one of rank"),
        ("lora:rank", "'rank' is no option of lora"),
        ("lora:rank=two", "rank is 'two'; allowed: a whole number"),
        ("lora:rank_stabilized=1", "rank_stabilized is '1'; allowed: true or false"),
        ("lora:rank=0", "rank=0; allowed: a whole number, at least 1"),
        ("lora:alpha=nan", "alpha is nan; allowed: a finite number"),
        ("lora:layers=7", "no layer is called '7'"),
        (
            "tinytl:rank=7",
            "'rank=7' is no option of tinytl; allowed: OPTION=VALUE with one of expand",
        ),
        ("tinytl", "the graph has no inverted bottleneck"),
    ],
)
def test_what_is_refused(refused, net, adapt, message):
    said = refused("compile", net, "--adapt", adapt, "--scheme", "lora")
    assert message in " ".join(said.split())


def test_the_scheme_of_adapters_needs_some(refused, net):
    said = " ".join(refused("compile", net, "--scheme", "lora").split())
    assert "the preset 'lora' finds no adapter in the network; add adapters first: --adapt" in said


def test_adapters_of_an_int8_network(run, net):
    shown = write_data("shown.npz")
    options = ("--precision", "int8", "--calibration", shown, "--gradient", "int8")
    adapt = ("--adapt", "lora:rank=2,layers=0", "--scheme", "lora_fa")
    text = run("compile", net, *options, *adapt, "--stop-after", "quantize").stdout
    assert "linear_pair_i8(" in text
    result = run("compile", net, *options, *adapt)
    assert result.exit_code == 0, result.output
    assert "k_linear_pair_i8" in Path("out/trainer.c").read_text()
