"""Names on a terminal, in a picture and in the text of a graph: shown, and never obeyed."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import trainlet as tl
from names.networks import HOSTILE, network, program
from trainlet.cli.main import app
from trainlet.ir.printable import plain, printable
from trainlet.ir.text import parse_graph, print_graph
from trainlet.pictures.memory import draw_memory
from trainlet.pictures.profile import draw_profile
from trainlet.planning.target import Target

MARKUP = ["[red]", "[/]", "[/red]", "[link=file:///x]y[/link]", "\x1b]0;title\x07", "\u202ex"]


@pytest.mark.parametrize("text", [*HOSTILE, *MARKUP])
def test_what_is_shown_has_nothing_that_a_terminal_obeys(text: str) -> None:
    assert printable(text).isprintable() and plain(text).isascii()
    assert len(printable(text, 50)) <= 50 * 10 + 3
    assert printable("größe [x] 𝒳") == "größe [x] 𝒳"


@pytest.mark.parametrize("name", [*HOSTILE, *MARKUP, 'a" : float32[1]', "\\", '\\"'])
def test_a_graph_s_text_is_read_back(name: str) -> None:
    graph = network([name + "in"], [name + "w", "b"])
    text = print_graph(graph)
    assert len(text.splitlines()) == 5 and text.isascii()
    again = parse_graph(text)
    assert [n.name for n in again.nodes()] == [n.name for n in graph.nodes()]
    assert print_graph(again) == text


def test_tables_and_pictures_show_hostile_names(tmp_path: Path) -> None:
    target = replace(Target.preset("cortex-m4"), name="[red]\x1b[/] $\\frac{ <x>")
    for name in ("[/] $\\frac{ <&>\x00\ud800", "$a$ [red]"):
        made = program(network([name], [f"{name}w", "b"]), target=target)
        assert "[red]" in str(made.report) and "\x1b[31" not in str(made.report)
        profile = made.profile()
        cells = profile.table(nodes=True).columns[2].cells
        assert any(printable(name) in str(cell) for cell in cells)
        draw_memory(made.report, tmp_path / "memory.svg")
        draw_profile(profile, tmp_path / "profile.svg")
        for name in ("memory.svg", "profile.svg"):
            ElementTree.parse(tmp_path / name)


@pytest.mark.parametrize("folder", ["[red]", "[", "a[/]"])
def test_files_called_like_markup(folder: str, tmp_path: Path) -> None:
    where = tmp_path / folder
    where.mkdir(parents=True)
    exported = torch.export.export(nn.Linear(3, 2).eval(), (torch.zeros(1, 3),))
    torch.export.save(exported, where / "net.pt2")
    asked = ["plan", str(where / "net.pt2"), "--scheme", "bias", "--target", "host"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(app, [*asked[:1], str(where / "no\x1b[31m.pt2"), *asked[2:]])
    assert done.exit_code == 1 and "\x1b" not in done.output and folder in done.output


def test_an_error_that_names_a_hostile_parameter_is_one_text() -> None:
    with pytest.raises(tl.TrainletError) as found:
        tl.compile(network(parameters=["[/]\x1b[31m", "b"]), None, {"x": 1}, target="host")
    assert "\x1b" not in printable(str(found.value))
