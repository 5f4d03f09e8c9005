"""`--few-shot`: a trainer that chooses what learns, from the command line."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from schemes.test_choosing import X, Y, backbone


@pytest.fixture
def features(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    example = (torch.zeros(1, 1, 12, 12),)
    torch.export.save(torch.export.export(backbone(), example), "features.pt2")
    return "features.pt2"


def test_a_project_is_written_and_the_device_chooses(run, features):
    head = ("--adapt", "cosine_head:ways=3", "--ram", "18K")
    placed = ("--section", "arena=.dtcm", "--section", "weights=.qspi")
    result = run("compile", features, "--few-shot", *head, *placed)
    assert result.exit_code == 0, result.output
    assert "measures" in result.stdout and "9.weight, 14.weight" in result.stdout
    assert "int trainer_select(void);" in Path("out/trainer.h").read_text()
    subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-c", "trainer.c"], cwd="out", check=True)
    sizes = subprocess.run(["size", "-A", "out/trainer.o"], capture_output=True, text=True).stdout
    assert ".dtcm" in sizes and ".qspi" in sizes
    shared = run("compile", features, "--few-shot", *head, "--section", "state=.sdram")
    assert shared.exit_code and "shares the memory" in shared.output
    np.savez("few.npz", x=X[:, 0], y=Y[:, 0])
    ran = run("run", features, "--few-shot", *head, "--data", "few.npz", "--epochs", "2",
              "--criterion", "gradient")  # fmt: skip
    assert ran.exit_code == 0, ran.output
    assert "14.weight learns in 8 channels" in ran.output
    refused = run("compile", features, "--few-shot", "--accumulate", "2")
    assert refused.exit_code and "does not go with --accumulate" in refused.output


def test_either_a_scheme_or_few_shot(run, features):
    for options in ((), ("--few-shot", "--scheme", "last")):
        refused = run("compile", features, *options)
        assert refused.exit_code and "give --scheme" in refused.output
    wrong = run("compile", features, "--few-shot", "--criterion", "gradiant")
    assert wrong.exit_code and "gradient" in wrong.output
    size = run("compile", features, "--few-shot", "--ram", "18M")
    assert size.exit_code and "192K" in size.output
