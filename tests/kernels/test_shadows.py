"""A kernel that shadows a reference kernel gives the same bits: on the host, and on the core."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from catalogue.kernels import Library, combined, prototypes
from emulator.project import HAS_GCC
from kernels.emulated import Emulated
from kernels.floats import RANDOM as FLOATS
from kernels.floats import bits
from kernels.shadows import FOLDERS, RANDOM, REFERENCE, folder, given, made, shadowing, sources
from trainlet.backends.toolchain import EXACT, ZIG, compile_shared, has_zig, host_compiler, run
from trainlet.ops.op import OPS
from trainlet.planning.target import Target

PATH = Target.preset("cortex-m7").kernels
SHADOWS = [*(file.stem for file in shadowing(PATH) if file.stem in OPS), "fused"]
"""The others are kernels of these too, for some nodes."""
INCLUDES = [f"-I{folder(name)}" for name in PATH if folder(name).is_dir()]
TESTS = Path(__file__).parents[1]
HAS = {"gcc": HAS_GCC, "zig": has_zig()}
CORES = [
    pytest.param(
        name, tool,
        marks=[
            pytest.mark.skipif(not there, reason=f"no {tool}"),
            *([pytest.mark.long] if (name, tool) == ("cortex-m4", "zig") else []),
        ],
    )
    for name in ("cortex-m4", "cortex-m7")
    for tool, there in HAS.items()
]  # fmt: skip


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """Each kernel compiled alone, for this machine."""
    work = tmp_path_factory.mktemp("shadows")
    files = [*sources(PATH), *made(work)]
    compile_shared(files, work / "kernels.so", *INCLUDES)
    return Library(work / "kernels.so", prototypes(work, files))


def agrees(op, called, reference=None):
    """Bit for bit; float32 with the reference kernel, for the order of its sums."""
    for k, (node, arrays) in enumerate(given(op)):
        if op in FLOATS:
            assert reference is not None
            expected, found = bits(reference.run(node, arrays)), bits(called(node, arrays))
        else:
            expected, found = OPS[op].eval(*arrays, **node.attrs), called(node, arrays)
        np.testing.assert_array_equal(found, expected, f"{op} {k}: {node.attrs} {node.inputs}")


def test_every_folder_shadows_kernels_that_there_are():
    names = {file.name for file in folder(REFERENCE).glob("*.c")}
    for name in FOLDERS:
        assert {file.name for file in folder(name).glob("*.c")} <= names


def test_same_parameters(tmp_path):
    assert prototypes(tmp_path, sources(PATH)) == prototypes(tmp_path, sources([REFERENCE]))


@pytest.mark.parametrize("op", SHADOWS)
def test_on_this_machine(op, host, reference):
    """A tensor that begins at a word may take another way through a kernel."""
    for words in (False, True):
        agrees(op, partial(host.run, words=words), reference)


@pytest.mark.parametrize(("name", "tool"), CORES)
def test_on_the_core(name, tool, tmp_path, reference):
    core = Emulated(name, tool, tmp_path)
    for op in SHADOWS:
        agrees(op, core.run, reference)


@pytest.mark.parametrize("op", [op for op in RANDOM if op not in FLOATS])
def test_the_reference_kernel_gives_the_same(op, tmp_path):
    files = [folder(REFERENCE) / f"{name}.c" for name in (op, *OPS[op].variants)]
    compile_shared(files, tmp_path / "kernels.so")
    agrees(op, Library(tmp_path / "kernels.so", prototypes(tmp_path, files)).run)


def call_all(library, files, folder, ops, environment):
    """Every kernel of these ops on its samples, in a process of its own, whose end is returned."""
    program = (
        "import json, sys\n"
        "from catalogue.kernels import Library\n"
        "from kernels.shadows import given\n"
        "parameters = json.loads(sys.argv[2])\n"
        "library = Library(sys.argv[1], parameters, guard=0)\n"
        "for op in sys.argv[3:]:\n"
        "    for node, arrays in given(op):\n"
        "        library.run(node, arrays)\n"
    )
    command = [sys.executable, "-c", program, str(library)]
    command += [json.dumps(prototypes(folder, files)), *ops]
    path = os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])
    environment = {**os.environ, "PYTHONPATH": path, **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_sanitizers_find_nothing(tmp_path):
    asked = [*host_compiler(), "-print-file-name=libasan.so"]
    runtime = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    if not Path(runtime).is_absolute():
        pytest.skip("the compiler has no AddressSanitizer")
    files = [*shadowing(PATH), *made(tmp_path)]
    sanitize = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g1", "-Wno-error")
    compile_shared([combined(tmp_path, files)], tmp_path / "kernels.so", *INCLUDES, *sanitize)
    environment = {"LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0"}
    done = call_all(tmp_path / "kernels.so", files, tmp_path, SHADOWS, environment)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.long
@pytest.mark.skipif(not has_zig(), reason="no zig")
@pytest.mark.parametrize("path", [PATH, (REFERENCE,)], ids=["fast", "reference"])
def test_clang_finds_no_undefined_behaviour(path, tmp_path):
    """Its sanitizer knows what gcc's does not: an offset from a null pointer or past an array."""
    files = [*sources(path), *made(tmp_path)]
    includes = [f"-I{folder(name)}" for name in path if folder(name).is_dir()]
    sanitize = ("-O1", "-fPIC", "-shared", "-fsanitize=undefined", "-fno-sanitize-recover=all")
    source, library = combined(tmp_path, files), tmp_path / "kernels.so"
    run([*ZIG, *EXACT, *sanitize, *includes, str(source), "-o", str(library)])
    ops = [op for op in SHADOWS if op != "fused" or path == PATH]
    done = call_all(library, files, tmp_path, ops, {})
    assert done.returncode == 0, done.stderr[-4000:]
