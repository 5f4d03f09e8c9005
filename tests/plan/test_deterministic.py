"""The same model gives the same text, whatever order Python's sets have today."""

import os
import subprocess
import sys
from pathlib import Path

import trainlet as tl
from networks.schemes import scheme
from zoo import NETWORKS

TESTS = Path(__file__).parents[1]
SCRIPT = """
import sys
import trainlet as tl
from zoo import NETWORKS
padding = [object() for _ in range(int(sys.argv[2]))]  # nodes lie, and hash, elsewhere
case = NETWORKS["se_hardswish"](1)
tl.compile(case.model, case.x, tl.schemes.full(case.model), target="host").write(sys.argv[1])
"""


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def test_twice_in_one_process(tmp_path):
    for k in range(2):
        case = NETWORKS["ds_cnn"](1)
        chosen = scheme("ds_cnn", "sparse", case.model)
        tl.compile(case.model, case.x, chosen, target="host").write(tmp_path / str(k))
    assert texts(tmp_path / "0") == texts(tmp_path / "1")


def test_in_two_processes(tmp_path):
    path = os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])
    for seed in ("1", "2"):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / seed), seed * 4]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        subprocess.run(command, check=True, env=environment, capture_output=True)
    assert texts(tmp_path / "1") == texts(tmp_path / "2")
