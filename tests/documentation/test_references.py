"""The references say what the sources say."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet import errors

from .scripts import DOCS, script

ERRORS = (DOCS / "reference" / "errors.md").read_text()


def test_the_c_api_is_what_the_template_says():
    c_api = script("c_api")
    assert c_api.PAGE.read_text() == c_api.page(), "write it again: python docs/scripts/c_api.py"


def test_a_trainer_declares_what_the_page_lists(tmp_path):
    model = nn.Sequential(nn.Linear(6, 3)).eval()
    tl.compile(model, torch.zeros(1, 6), "full", target="host").write(tmp_path)
    declared = {i.name for i in script("c_api").declarations((tmp_path / "trainer.h").read_text())}
    page = (DOCS / "reference" / "c-api.md").read_text()
    functions = page.split("## With some options only")[0]
    listed = re.findall(r"^### `(trainer_\w+)`", functions, re.MULTILINE)
    assert declared == {name.replace("trainer_x", "trainer_input") for name in listed}


def test_the_libraries_have_a_reference():
    page = script("c_api").libraries_page()
    for function in ("trainlet_store_save", "trainlet_lesson_run", "trainlet_drift_see"):
        assert f"### `{function}`" in page


def test_every_error_is_explained():
    tree = {n for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, Exception)}
    explained = set(re.findall(r"^## (\w+)", ERRORS, re.M))
    assert explained == tree - {"TrainletError", "ExperimentsDiverged"}
    assert "`ExperimentsDiverged`" in ERRORS


@pytest.mark.parametrize(
    "wrong",
    [
        lambda model, x: tl.compile(model, x, {"classifier.weight": 1.0}, target="host"),
        lambda model, x: tl.compile(model, x, "full", target="cortex-m9"),
        lambda model, x: tl.load("net.pt2"),
        lambda model, x: tl.evaluate(tl.compile(model, x, "full", target="host"), np.zeros(6), [7]),
        lambda model, x: tl.compile(nn.Sequential(model, nn.Flatten(0)).eval(), x, "full"),
    ],
)
def test_messages_are_as_printed(wrong):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    with pytest.raises(tl.TrainletError) as raised:
        wrong(model, torch.zeros(1, 6))
    section = ERRORS.split(f"## {type(raised.value).__name__}\n")[1].split("\n## ")[0]
    begin = re.split(r"[;,]", str(raised.value))[0].replace("float32[3]", "float32[8]")
    assert begin in section.replace("\n", " ")


@pytest.mark.parametrize(
    "source, text",
    [
        ("x: floats\n    [N].\nAll of it.", "\n- **x**: floats\n  [N].\n\nAll of it."),
        ("x: floats\nof it", "\n- **x**: floats\n  of it"),
        ("A sentence.  Another one.", "A sentence. Another one."),
    ],
)
def test_arguments_become_a_list(source, text):
    pytest.importorskip("griffe", reason="the extra docs is not installed")
    assert script("docstrings").markdown(source) == text
