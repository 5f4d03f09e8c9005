"""Several trainers in one program, one translation unit and one C++ program, beside other code."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import trainlet as tl
from kernels.shadows import made, sources
from names.networks import network, program
from trainlet.backends.interface import interface_of
from trainlet.backends.kernels import KERNELS
from trainlet.backends.namespace import declared, own
from trainlet.backends.toolchain import ARM_GCC
from trainlet.planning.cpu import CPUS
from trainlet.planning.target import Target

OTHERS = """
#include <stdint.h>
enum { arena = 1, state, header, finite, apply, forward, slide, crc32 }; /* of the program's own */
typedef unsigned char Layer;
"""


def joined(core: str, work: Path) -> str:
    """All kernels of a core in one text, each header once."""
    path, done, parts = Target.preset(core).kernels, set[str](), list[str]()

    def add(text: str) -> None:
        for name in re.findall(r'^#include "([\w.]+)"', text, re.MULTILINE):
            if name not in {"kernel.h", *done}:
                done.add(name)
                add(next(f for p in path if (f := KERNELS / p / name).exists()).read_text())
        parts.append(re.sub(r'^#include "[\w.]+"\n', "", text, flags=re.MULTILINE))

    for file in (*sources(path), *made(work)):
        add(Path(file).read_text())
    return "#include <stdint.h>\n#define KERNEL static __attribute__((unused))\n" + "\n".join(parts)


@pytest.mark.skipif(shutil.which(ARM_GCC) is None, reason="arm-none-eabi-gcc is not installed")
@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m7", "cortex-m55"])
def test_all_kernels_of_a_core_stand_twice_in_one_unit(core: str, tmp_path: Path) -> None:
    text = joined(core, tmp_path)
    assert not [
        name for name in declared(text) if "__" in name or name.startswith(("frozen_", "initial_"))
    ]
    unit = tmp_path / "unit.c"
    names = "".join(f"enum {{ {name} }};\n" for name in sorted(declared(text)))
    unit.write_text(f"{own(text, 'voice__')}\n{own(text, 'gait__')}\n{names}")
    flags = [*CPUS[core].gcc, "-mthumb", "-std=c11", "-fsyntax-only", "-Wno-unused"]
    include = f"-I{Path(tl.__file__).parent / 'backends' / 'firmware' / 'include'}"
    done = subprocess.run([ARM_GCC, *flags, include, unit], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:2000]


def two(folder: Path) -> None:
    """Trainers of other networks, of other precision, in one folder."""
    program(network(["x", "arena"]), prefix="voice").write(folder)
    program(network(["x"], ["arena", "F32"]), prefix="gait", optimizer=tl.Adam(0.01)).write(folder)


def test_two_trainers_and_other_code_share_a_unit(tmp_path: Path) -> None:
    two(tmp_path)
    macros = ["F32", "AT", "U8", "KERNEL", "BROADCAST_ONE", "MARK"]
    free = "".join(f"#ifdef {name}\n#error {name}\n#endif\n#define {name} 1\n" for name in macros)
    unit = tmp_path / "unit.c"
    unit.write_text(
        f'{OTHERS}#include "voice.c"\n#include "gait.c"\n{free}'
        "int main(void) { voice_init(); gait_init(); return arena - 1; }\n"
    )
    flags = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-O1"]
    subprocess.run(["gcc", *flags, unit, "-o", tmp_path / "both"], check=True, cwd=tmp_path)
    subprocess.run([tmp_path / "both"], check=True)


def test_a_c_plus_plus_program_includes_both_headers_and_links(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    two(tmp_path)
    (tmp_path / "main.cpp").write_text(
        '#include "voice.h"\n#include "gait.h"\n#include "voice.h"\n'
        "int main() { voice_init(); gait_init(); float logits[VOICE_LOGITS_SIZE];\n"
        "  return voice_predict(voice_x(), voice_input_arena(), logits); }\n"
    )
    for name in ("voice", "gait"):
        subprocess.run(["gcc", "-c", f"{name}.c", "-o", f"{name}.o"], check=True, cwd=tmp_path)
    flags = ["-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
    for standard in ("c++11", "c++20"):
        command = ["g++", f"-std={standard}", *flags, "main.cpp", "voice.o", "gait.o", "-o", "both"]
        subprocess.run(command, check=True, cwd=tmp_path)


def test_the_trainers_of_one_unit_learn_as_each_alone(tmp_path: Path) -> None:
    """The same C as a library, once alone and once behind another trainer in its unit."""
    two(tmp_path)
    alone = program(network(["x", "arena"]), prefix="voice")
    text = (tmp_path / "voice.c").read_text()
    (tmp_path / "voice.c").write_text(text.replace("/* voice", '#include "gait.c"\n/* voice', 1))
    from trainlet.run.native import NativeDevice

    x = {"x": np.ones(3, np.float32), "arena": np.full(3, 0.5, np.float32)}
    with NativeDevice(tmp_path, interface_of(alone)) as both, alone.build("host") as single:
        assert both.step(x, [1], 0.1) == single.device.step(x, [1], 0.1)
        assert both.save() == single.save()
