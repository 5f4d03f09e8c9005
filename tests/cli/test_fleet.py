"""trainlet fleet: from files to a model, a picture and a Flower app."""

import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

LEARN = ("--scheme", "full", "--target", "host", "--rounds", "4", "--lr", "0.05", "--epochs", "2")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Four persons, as a folder and as one file."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    torch.export.save(torch.export.export(net, (torch.zeros(1, 6),)), "net.pt2")
    x = rng.normal(size=(80, 6)).astype(np.float32)
    y = x.reshape(80, 3, 2).sum(2).argmax(1).astype(np.int32)
    Path("people").mkdir()
    for k in range(4):
        rows = slice(20 * k, 20 * k + 20)
        np.savez(f"people/{k}.npz", x=x[rows], y=y[rows])
    np.savez("all.npz", x=x, y=y, person=np.repeat(list("abcd"), 20))


def test_a_fleet_learns_and_continues(files, run) -> None:
    made = run("fleet", "net.pt2", "--data", "people", *LEARN, "--share", "int8", "-o", "one.npz",
               "--picture", "fleet.svg", "--jobs", "2")  # fmt: skip
    assert made.exit_code == 0, made.output
    assert "4 devices share 83 values of net.pt2" in made.stdout
    svg = ET.parse("fleet.svg").getroot()
    assert len(svg.findall(".//{*}animateMotion")) == 4
    short = [*LEARN[:5], "2", *LEARN[6:]]
    for words in (short, LEARN):
        again = run("fleet", "net.pt2", "--data", "all.npz", *words, "--journal", "j.npz",
                    "-o", "two.npz")  # fmt: skip
        assert again.exit_code == 0, again.output
    whole = run("fleet", "net.pt2", "--data", "all.npz", *LEARN, "-o", "three.npz")
    assert whole.exit_code == 0, whole.output
    two, three = (dict(np.load(name)) for name in ("two.npz", "three.npz"))
    assert sorted(two) == ["0.bias", "0.weight", "2.bias", "2.weight"]
    assert all(np.array_equal(two[name], three[name]) for name in two)


def test_a_dirichlet_split_and_faults(files, run) -> None:
    made = run("fleet", "net.pt2", "--data", "all.npz", "--devices", "10", "--alpha", "0.5",
               "--poisoned", "0.2", "--dropouts", "0.3", *LEARN)  # fmt: skip
    assert made.exit_code == 0, made.output
    assert "10 devices share" in made.stdout and "refused or bounded" in made.stdout


def test_a_flower_app(files, run) -> None:
    made = run("fleet", "net.pt2", "--data", "people", *LEARN, "--app", "app")
    assert made.exit_code == 0, made.output
    project = tomllib.loads(Path("app/pyproject.toml").read_text())
    assert project["tool"]["flwr"]["app"]["config"]["nodes"] == 4
    fleet = tomllib.loads(Path("app/fleet.toml").read_text())
    assert Path(fleet["net"]).is_absolute() and fleet["rounds"] == 4
    assert Path("app/fleet_app.py").exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--data", "nowhere"), "nowhere"),
        (("--data", "people", "--devices", "9"), "has 4 devices; needed: 9"),
        (("--data", "people", "--share", "int7"), "did you mean 'int8'"),
        (("--data", "people", "--strategy", "fedavgg"), "did you mean 'fedavg'"),
        (("--data", "people", "--personal", "head"), "no trained parameter matches"),
        (("--data", "all.npz", "--alpha", "1"), "--alpha needs --devices"),
    ],
)
def test_what_cannot_be_done_is_said(files, run, words, why) -> None:
    result = run("fleet", "net.pt2", *words)
    assert result.exit_code in (1, 2)
    assert why in result.output


def test_secure_aggregation_is_refused_where_it_cannot_be(files, run) -> None:
    words = ("fleet", "net.pt2", "--data", "people", *LEARN, "--secure-aggregation")
    made = run(*words)
    assert made.exit_code == 0, made.output
    compared = run(*words, "--strategy", "krum")
    assert compared.exit_code == 1 and "hides single updates" in compared.output
    app = run(*words, "--app", "app")
    assert app.exit_code == 0, app.output
    assert "secure_aggregation = true" in Path("app/fleet.toml").read_text()
