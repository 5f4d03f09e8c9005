"""Packages of AOTInductor: what is written runs without Trainlet and equals the oracle."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import trainlet as tl
from trainlet.backends.aten import package, project
from trainlet.errors import ToolchainError
from trainlet.run.oracle import OracleDevice
from trainlet.run.trainer import Trainer
from zoo import NETWORKS

ABI = int(torch.compiled_with_cxx11_abi())
FILES = {
    "step.pt2", "predict.pt2", "state.safetensors", "inputs.json", "run.py", "main.cpp",
    "CMakeLists.txt",
}  # fmt: skip


def program(scheme="full", target="cpu"):
    case = NETWORKS["mlp"](2)
    how = {"target": target, "check": False, "optimizer": tl.SGD(0.01)}
    return tl.compile(case.model, case.x, scheme, **how)


@pytest.mark.slow
def test_the_files_run_without_trainlet(tmp_path, monkeypatch):
    def only_the_step(graph, path):  # a package takes half a minute
        package.write_package(graph, path) if path.stem == "step" else path.write_bytes(b"")

    monkeypatch.setattr(project, "write_package", only_the_step)
    own = program("last")
    own.write(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == FILES
    command = [sys.executable, "-I", str(tmp_path / "run.py"), "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    losses = [float(line.rsplit(" ", 1)[1]) for line in done.stdout.splitlines()]
    oracle = Trainer(own, OracleDevice(own))
    torch.manual_seed(0)
    x = torch.randn(2, 32).numpy()
    y = torch.randint(0, 2, (2,)).numpy()
    np.testing.assert_allclose(losses, [oracle.step(x, y, 0.01) for _ in range(3)], atol=1e-4)
    trained = load_file(tmp_path / "trained.safetensors")
    for name, value in oracle.state().items():
        np.testing.assert_allclose(trained[f"state.{name}"], value, atol=1e-4, err_msg=name)
    in_cpp = subprocess.run([built(tmp_path), "3"], cwd=tmp_path, capture_output=True, text=True)
    assert (in_cpp.returncode, in_cpp.stdout) == (0, done.stdout)


def built(folder):
    """The example in C++, compiled with what PyTorch's wheel brings."""
    root, made = Path(torch.__file__).parent, folder / "train"
    flags = ["-std=c++20", "-Wall", "-Werror", f"-D_GLIBCXX_USE_CXX11_ABI={ABI}"]
    libraries = [f"-L{root}/lib", f"-Wl,-rpath,{root}/lib", "-ltorch", "-ltorch_cpu", "-lc10"]
    command = ["g++", *flags, "-isystem", root / "include", folder / "main.cpp", "-o", made]
    subprocess.run([*command, *libraries], check=True)
    return made


def test_the_example_in_cpp_finds_the_state(tmp_path, monkeypatch):
    monkeypatch.setattr(project, "write_package", lambda graph, path: path.write_bytes(b""))
    own = program()
    own.write(tmp_path)
    inputs = json.loads((tmp_path / "inputs.json").read_text())["step"]
    text = (tmp_path / "main.cpp").read_text()
    rows = [line.strip() for line in text.splitlines() if line.startswith("    {{")]
    state = (tmp_path / "state.safetensors").read_bytes()
    for row, i in zip(rows, inputs, strict=True):
        shape, kind = row.removeprefix("{{").split("}, ")
        assert [int(k) for k in shape.split(", ") if k] == i["shape"]
        of, rate, offset = kind.removesuffix("},").split(", ")
        assert (of, rate == "true") == (project.KINDS[i["dtype"]], i["name"] == "lr")
        if i["name"].startswith("state."):
            leaf = next(n for n in own.params if i["name"] == f"state.{n.name}")
            found = np.frombuffer(state, np.float32, leaf.type.size, int(offset))
            np.testing.assert_array_equal(found, own.initial(leaf).reshape(-1))
        else:
            assert offset == "-1"
    assert "weight" not in text


def test_bfloat16_in_the_files(tmp_path, monkeypatch):
    monkeypatch.setattr(project, "write_package", lambda graph, path: path.write_bytes(b""))
    program(target="cpu-bfloat16").write(tmp_path)
    inputs = json.loads((tmp_path / "inputs.json").read_text())["step"]
    found = {i["name"]: i["dtype"] for i in inputs}
    labels = [name for name, dtype in found.items() if dtype == "int32"]
    assert (found.pop("lr"), len(labels), found.pop(labels[0])) == ("float32", 1, "int32")
    assert set(found.values()) == {"bfloat16"}
    state = load_file(tmp_path / "state.safetensors")
    assert {t.dtype for t in state.values()} == {torch.bfloat16}
    assert (tmp_path / "main.cpp").read_text().count("at::kBFloat16") == len(found)


def test_says_what_inductor_cannot_compile(tmp_path, monkeypatch):
    own = program()
    monkeypatch.setattr(torch.export, "export", lambda *_, **__: 1 / 0)
    with pytest.raises(ToolchainError, match=r"cannot compile the package step\.pt2: division"):
        own.write(tmp_path)
    assert list(tmp_path.iterdir()) == []
