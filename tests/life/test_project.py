"""The written library beside a written trainer: it compiles, and the state survives the process."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import trainlet as tl
from trainlet.cli.main import app
from trainlet.errors import FileError, TargetError
from trainlet.life import PARTS, write_library
from trainlet.life.library import C, files_of

MAIN = """
#include <stdio.h>
#include "trainer.h"
#include "trainlet_posix.h"

int main(void) {
  static const trainlet_flash flash = TRAINLET_POSIX(".", 2, 4096);
  const float x[2] = {1.0f, -0.5f};
  const int32_t label = 1;
  float loss;
  trainer_init();
  int status = trainlet_store_load(&flash, TRAINER_BLOB_BYTES, trainer_load);
  if (trainer_step(x, &label, 0.1f, &loss)) return 1;
  printf("%d %.9g\\n", status, (double)loss);
  return trainlet_store_save(&flash, TRAINER_BLOB_BYTES, trainer_save);
}
"""


def test_a_state_survives_the_process(tmp_path: Path):
    torch.manual_seed(0)
    program = tl.compile(nn.Linear(2, 2).eval(), torch.zeros(1, 2), "full", target="host")
    program.write(tmp_path)
    write_library(tmp_path, ["posix"])
    (tmp_path / "own.c").write_text(MAIN)
    sources = ["own.c", "trainer.c", "trainlet_store.c", "trainlet_posix.c"]
    flags = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
    subprocess.run(["gcc", *flags, *sources, "-o", "own", "-lm"], cwd=tmp_path, check=True)
    lines = [
        subprocess.run(["./own"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
        for _ in range(3)
    ]
    with program.build("host") as trainer:
        for k, line in enumerate(lines):
            loss = trainer.step([[1.0, -0.5]], [1], 0.1)
            assert line == f"{0 if k else -101} {float(loss):.9g}\n"


def test_the_command_writes_parts_and_what_they_need(tmp_path: Path):
    command = ["library", "zephyr", "replay", "-o", str(tmp_path / "new")]
    found = CliRunner().invoke(app, command)
    assert found.exit_code == 0, found.output
    names = {path.name for path in (tmp_path / "new").iterdir()}
    stems = ("store", "entries", "zephyr", "replay")
    assert names == {f"trainlet_{stem}{end}" for stem in stems for end in (".h", ".c")}


def test_each_part_has_its_files_and_no_file_is_without_a_part():
    assert {file for name in PARTS for file in files_of(name)} == {p.name for p in C.iterdir()}


def test_bad_arguments_write_nothing(tmp_path: Path):
    with pytest.raises(TargetError, match=r"unknown part 'lfs'; allowed: 'store', 'replay'"):
        write_library(tmp_path / "new", ["lfs"])
    (tmp_path / "trainlet_store.c").mkdir()
    with pytest.raises(FileError):
        write_library(tmp_path, ["store"])
    assert [path.name for path in tmp_path.iterdir()] == ["trainlet_store.c"]
