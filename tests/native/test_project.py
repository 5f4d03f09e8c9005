"""The C project as its owner meets it: it builds by its own instructions and runs."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import trainlet as tl
from trainlet.backends.toolchain import EXACT, host_compiler, warning_flags
from zoo import NETWORKS

LIBC = re.compile(r"\b(malloc|calloc|free|printf|memset|memmove|expf|sqrtf|alloca)\s*\(")


def written(name: str, folder: Path, **options: object) -> Path:
    case = NETWORKS[name](1)
    scheme = tl.schemes.bias(case.model)
    program = tl.compile(case.model, case.x, scheme, target="host", **options)  # type: ignore
    return program.write(folder)


def build(folder: Path, *sources: Path) -> str:
    """Compile as strictly as the project promises, run, and return what it prints."""
    binary = folder / "example"
    command = [
        *host_compiler(),
        *EXACT,
        *warning_flags(),
        "-O2",
        *map(str, sources),
        "-o",
        str(binary),
    ]
    subprocess.run(command, check=True)
    return subprocess.run([binary], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("name", ["mlp", "lenet5", "cct2"])
def test_the_example_trains(name: str, tmp_path: Path) -> None:
    folder = written(name, tmp_path / "out")
    printed = build(folder, folder / "main.c", folder / "trainer.c")
    losses = [float(found) for found in re.findall(r"loss ([\d.]+)", printed)]
    assert len(losses) == 5
    assert losses[-1] < losses[0]


def test_cmake_builds_it(tmp_path: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    folder = written("mlp", tmp_path / "out")
    subprocess.run(["cmake", "-S", folder, "-B", tmp_path / "b"], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", tmp_path / "b"], check=True, capture_output=True)
    subprocess.run([tmp_path / "b" / "trainer_example"], check=True, capture_output=True)


def test_cmake_builds_two_trainers_in_one_folder(tmp_path: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    folder = written("mlp", tmp_path / "out", prefix="first")
    written("lenet5", folder, prefix="second")
    subprocess.run(["cmake", "-S", folder, "-B", tmp_path / "b"], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", tmp_path / "b"], check=True, capture_output=True)
    assert {"libfirst.a", "libsecond.a", "second_example"} <= set(os.listdir(tmp_path / "b"))


def test_two_trainers_share_a_program(tmp_path: Path) -> None:
    folder = written("mlp", tmp_path / "out", prefix="first")
    written("lenet5", folder, prefix="second")
    main = tmp_path / "both.c"
    main.write_text(
        '#include "out/first.h"\n#include "out/second.h"\n'
        "int main(void) { first_init(); second_init(); return 0; }\n"
    )
    build(tmp_path, main, folder / "first.c", folder / "second.c")


@pytest.mark.parametrize("name", list(NETWORKS))
def test_no_library_but_memcpy(name: str, tmp_path: Path) -> None:
    folder = written(name, tmp_path / "out")
    for file in ("trainer.c", "trainer.h", "trainer_kernels.h"):
        assert not LIBC.search((folder / file).read_text()), file
    includes = re.findall(r"#include <(.+)>", (folder / "trainer.c").read_text())
    assert includes == ["string.h"]
