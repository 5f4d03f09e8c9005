"""What trainer.h tells a program that uses it: sizes, scales, places, and what is refused."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from cffi import FFI
from torch import nn

import trainlet as tl
from trainlet.backends.c import render
from trainlet.backends.interface import interface_of
from trainlet.backends.toolchain import compile_shared
from trainlet.ir.storage import to_device
from trainlet.planning.target import Target
from trainlet.run.native import NativeDevice

FIRST = "/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by Trainlet "


def small(precision: str = "float32", target: str | Target = "host") -> tl.CompiledProgram:
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    shown = [np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32) * 3]
    options = {"calibration": shown} if precision == "int8" else {}
    given = torch.zeros(1, 6)
    return tl.compile(
        model, given, {"0.bias": 1, "2.weight": 0.5}, target=target, precision=precision, **options
    )  # type: ignore[call-overload]


def run(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A program around the project, with the warnings of a careful user."""
    (folder / "main.c").write_text(text)
    warn = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
    command = ["gcc", "-std=c11", "-O2", *warn, *options, "main.c", "trainer.c", "-o", "main"]
    subprocess.run(command, cwd=folder, check=True)
    return subprocess.run([folder / "main"], capture_output=True, text=True, check=True)


@pytest.mark.parametrize("target", ["host", Target("*/ evil\n/*", kernels=("reference",))])
def test_every_file_says_its_licence_its_maker_and_its_purpose(target: str | Target) -> None:
    files = render(small(target=target))
    for name, text in files.items():
        if name.endswith((".c", ".h")):
            assert text.startswith(FIRST), name
            head = text.splitlines()[:3]
            assert f"Made by Trainlet {tl.__version__} for the target" in head[1]
            assert "trains 2 parameters: 0.bias, 2.weight = 0.5" in head[2]
            assert all(line.startswith("/* ") and line.endswith(" */") for line in head)
            assert "\nevil" not in text and "*/ evil" not in text


def test_calls_before_init_are_refused_and_change_nothing(tmp_path: Path) -> None:
    small().write(tmp_path)
    run(
        tmp_path,
        """
#include "trainer.h"
static unsigned char blob[TRAINER_BLOB_BYTES];
static int keep(void *context, uint32_t at, const void *bytes, uint32_t size) {
  (void)context;
  for (uint32_t k = 0; k < size; k++) blob[at + k] = ((const unsigned char *)bytes)[k];
  return 0;
}
static int fetch(void *context, uint32_t at, void *bytes, uint32_t size) {
  for (uint32_t k = 0; k < size; k++) ((unsigned char *)bytes)[k] = blob[at + k];
  return context && at ? -1 : 0;
}
int main(int count, char **arguments) {
  (void)arguments;
  static float x[TRAINER_INPUT_SIZE], logits[TRAINER_LOGITS_SIZE], loss = 5.0f;
  const int32_t label = 0;
  for (int k = 0; k < 2; k++) {
    if (trainer_predict(x, logits) != TRAINER_ERROR_INIT || logits[0] > 0.0f) return 1;
    if (trainer_step(x, &label, 0.1f, &loss) != TRAINER_ERROR_INIT || loss < 5.0f) return 2;
    if (trainer_save(keep, 0) != TRAINER_ERROR_INIT || blob[0]) return 3;
    if (trainer_load(fetch, 0) != TRAINER_ERROR_STATE) return 4;
  }
  trainer_init();
  if (trainer_step(x, &label, 0.1f, &loss) || trainer_predict(x, logits)) return 5;
  if (trainer_save(keep, 0)) return 6;
  return count > 1;
}
""",
    )


class Uninitialised(NativeDevice):
    """The library as it starts."""

    def init(self) -> None:
        pass


def test_a_good_load_takes_the_place_of_init(tmp_path: Path) -> None:
    """Another process has saved; a device that starts anew loads, and goes on."""
    program = small()
    program.write(tmp_path)
    with NativeDevice(tmp_path, interface_of(program)) as device:
        device.step({"input": np.ones(6)}, [1], 0.1)
        blob = device.save()
        wanted = device.predict({"input": np.ones(6)})
    with Uninitialised(tmp_path, interface_of(program)) as device:
        with pytest.raises(tl.TrainletError, match="returned -6: .*call init first"):
            device.predict({"input": np.ones(6)})
        device.load(blob)
        assert (device.predict({"input": np.ones(6)}) == wanted).all()


def test_ram_is_what_the_object_takes(tmp_path: Path) -> None:
    program = small()
    program.write(tmp_path)
    subprocess.run(["gcc", "-O2", "-c", "trainer.c"], cwd=tmp_path, check=True)
    said = int(macro(tmp_path, "TRAINER_RAM_BYTES").rstrip("u"))
    found = subprocess.run(["size", "trainer.o"], cwd=tmp_path, capture_output=True, text=True)
    _, data, bss, *_ = found.stdout.splitlines()[1].split()
    assert said <= int(data) + int(bss) + 3 and int(data) + int(bss) <= said + 32


def test_the_stack_is_the_report_s_where_one_can_be_measured(tmp_path: Path) -> None:
    small().write(tmp_path / "host")
    assert "TRAINER_STACK_BYTES is not known" in (tmp_path / "host" / "trainer.h").read_text()
    program = small(target="cortex-m4")
    program.write(tmp_path / "m4")
    said = macro(tmp_path / "m4", "TRAINER_STACK_BYTES")
    assert said == f"{program.report.stack_bytes}u"


def test_a_project_is_written_where_no_compiler_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*_: object) -> None:
        raise tl.errors.ToolchainError("no compiler for Arm")

    monkeypatch.setattr("trainlet.backends.firmware.arm_toolchain", absent)
    small(target="cortex-m4").write(tmp_path)
    assert "TRAINER_STACK_BYTES is not known" in (tmp_path / "trainer.h").read_text()


def test_the_arena_goes_where_the_user_wants(tmp_path: Path) -> None:
    small().write(tmp_path)
    where = '-DTRAINER_ARENA_ATTRIBUTE=__attribute__((section(".mine")))'
    command = ["gcc", "-O2", "-Wall", "-Werror", where, "-c", "trainer.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    found = subprocess.run(
        ["size", "-A", "trainer.o"], cwd=tmp_path, capture_output=True, text=True
    )
    assert re.search(r"^\.mine +\d+", found.stdout, re.MULTILINE)


REALS = [0.0, -0.0, 1e-40, 1e30, -1e30, float("inf"), float("-inf"), float("nan")]


def test_the_integers_of_real_values_are_python_s(tmp_path: Path) -> None:
    program = small("int8")
    program.write(tmp_path)
    (leaf,) = program.inputs
    assert leaf.type.quant is not None
    scale, zero = np.float32(leaf.type.quant.scale[0]), leaf.type.quant.zero_point[0]
    assert macro(tmp_path, "TRAINER_INPUT_ZERO_POINT") == f"({zero})"
    assert np.float32(macro(tmp_path, "TRAINER_INPUT_SCALE").rstrip("f")) == scale
    halves = (np.arange(-300, 300) / 2).astype(np.float32) * scale
    near = np.concatenate([np.nextafter(halves, s, dtype=np.float32) for s in (-1e9, 1e9)])
    drawn = np.random.default_rng(0).standard_normal(6000).astype(np.float32) * 50 * scale
    finite = np.concatenate([halves, near, drawn, np.float32(REALS[:5])])
    wanted = [
        to_device(leaf, np.full(6, x, np.float32).reshape(1, 6)).reshape(-1)[0] for x in finite
    ]
    found = quantised(tmp_path, np.concatenate([finite, np.float32(REALS[5:])]))
    assert found[:-3].tolist() == wanted
    assert found[-3:].tolist() == [127, -128, -128]


def quantised(folder: Path, reals: np.ndarray) -> np.ndarray:
    """The header's function on each value."""
    (folder / "q.c").write_text(
        '#include "trainer.h"\nvoid all(const float *x, int8_t *y, int n) {\n'
        "  for (int k = 0; k < n; k++) y[k] = trainer_quantize_input(x[k]);\n}\n"
    )
    compile_shared([folder / "q.c"], folder / "q.so", f"-I{folder}")
    ffi, made = FFI(), np.zeros(reals.size, np.int8)
    ffi.cdef("void all(const float *, int8_t *, int);")
    given = np.ascontiguousarray(reals, np.float32)
    ffi.dlopen(str(folder / "q.so")).all(  # type: ignore[attr-defined]
        ffi.from_buffer("float[]", given), ffi.from_buffer("int8_t[]", made), reals.size
    )
    return made


def macro(folder: Path, name: str) -> str:
    """What the header defines it as."""
    found = re.search(rf"^#define {name} (\S+)", (folder / "trainer.h").read_text(), re.MULTILINE)
    assert found is not None, name
    return found[1]
