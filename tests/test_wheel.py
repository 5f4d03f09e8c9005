"""The wheel works where the checkout is not."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
USE = """
import pathlib, sys
import numpy as np, torch, trainlet as tl
assert pathlib.Path(tl.__file__).is_relative_to(sys.argv[1]), tl.__file__
model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(),
                            torch.nn.Flatten(), torch.nn.Linear(64, 3))
program = tl.compile(model, torch.zeros(1, 1, 6, 6), tl.schemes.bias(model))
x = np.ones((1, 1, 6, 6), np.float32)
for device in ("host", "unicorn"):
    with program.build(device) as trainer:
        losses = [trainer.step(x, [1], 0.1) for _ in range(3)]
        assert losses[2] < losses[0]
from trainlet.demo.keyword_spotter import load_pretrained
from trainlet.demo.speech import bundled
assert len(bundled("new")) and load_pretrained()
print(program.report.flash_bytes)
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without isolation and unpacked: what pip would install."""
    pytest.importorskip("hatchling", reason="hatchling builds the wheel; it is in the dev extra")
    folder = tmp_path_factory.mktemp("wheel")
    build = (
        "import os, sys, hatchling.build as b; os.chdir(sys.argv[1]); b.build_wheel(sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", build, ROOT, folder], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_compile_train_and_emulate_from_the_wheel(unpacked: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", USE, unpacked],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 1000


def test_kernels_templates_and_assets_are_in_it(unpacked: Path) -> None:
    for pattern in ("*.c", "*.h", "*.jinja", "*.npz", "*.safetensors"):
        inside = {p.relative_to(unpacked) for p in unpacked.rglob(pattern)}
        outside = {p.relative_to(ROOT / "src") for p in (ROOT / "src").rglob(pattern)}
        assert inside == outside and inside, pattern
