"""--json of plan, run and account, and the picture of a training's losses."""

from __future__ import annotations

import json
from pathlib import Path

from .data import write_data


def printed(result) -> dict:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_plan(run, net):
    found = printed(run("plan", net, "--scheme", "last", "--target", "cortex-m4", "--json"))
    parts = ("arena_bytes", "parameter_bytes", "state_bytes", "stack_bytes")
    assert found["ram_bytes"] == sum(found[part] for part in parts) <= found["ram_limit"]
    assert found["macs_forward"] == 2 * (6 * 8 + 8 * 3)


def test_account(run, net):
    found = printed(run("account", net, "--schemes", "last,tinytl", "--target", "host", "--json"))
    assert list(found["schemes"]) == ["last"] and "tinytl" in found["refused"]
    assert found["schemes"]["last"]["parameter_bytes"] == 4 * (8 * 3 + 3)
    assert found["schemes"]["last"]["torch_bytes"] > 0


def test_account_has_no_json_of_a_paper(run):
    result = run("account", "--published", "tinytl", "--json")
    assert result.exit_code == 2 and "--json" in result.output


def test_run_with_a_picture(run, net):
    write_data("train.npz")
    words = ("--scheme", "full", "--data", "train.npz", "--lr", "0.1", "--epochs", "3")
    found = printed(run("run", net, *words, "--json", "--picture", "loss.svg"))
    assert len(found["losses"]) == 3 * 15 and found["test_examples"] == 31
    assert found["after"]["loss"] < found["before"]["loss"] < 10
    assert found["instructions_step"] is None  # nothing counts them on the host
    assert Path("loss.svg").read_text().startswith("<?xml")
    shown = run("run", net, *words)
    assert f"{found['after']['accuracy']:.1%}" in shown.stdout


def test_run_draws_only_what_it_can(net, refused):
    write_data("train.npz")
    words = ("--scheme", "full", "--data", "train.npz", "--picture", "loss.bmp")
    assert ".svg" in refused("run", net, *words)
