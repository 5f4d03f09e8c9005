"""The text of a small network after each stage; UPDATE_GOLDEN=1 writes the files anew."""

import os
from pathlib import Path

import pytest

from passes.stages import GRAPHS, after, small
from trainlet.ir.text import parse_graph, print_graph

FOLDER = Path(__file__).parent / "golden"
SCHEMES = {
    "bias": {"bn.bias": 1, "fc.weight": 1, "fc.bias": 1},
    "sparse": {"conv.weight": 0.5, "fc.weight": 0.5},
}


@pytest.mark.parametrize("stage", [stage for stage in GRAPHS if stage != "quantize"])
@pytest.mark.parametrize("name", SCHEMES)
def test_text(name, stage):
    model, x = small()
    text = print_graph(after(stage, model, x, SCHEMES[name]))
    path = FOLDER / f"{stage}-{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        FOLDER.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), f"UPDATE_GOLDEN=1 writes {path.name} anew, if this is right"
    assert print_graph(parse_graph(text)) == text
