"""What `trainlet export` writes: the ecosystem's layout, a manifest that holds, and it builds."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from export.projects import MAKERS, made, project
from trainlet.backends.firmware import SOURCES
from trainlet.backends.toolchain import ARM_GCC, CLANG, ZIG, has_zig
from trainlet.errors import FileError, TargetError, TrainletError
from trainlet.export import ECOSYSTEMS, About, write_package
from trainlet.life import PARTS

STUBS = Path(__file__).parent / "stubs"
CAREFUL = ["-Wall", "-Wextra", "-Wconversion", "-Werror"]
CORE = ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-ffreestanding"]
needs_gcc = pytest.mark.skipif(not shutil.which(ARM_GCC), reason=f"{ARM_GCC} is not installed")
needs_zig = pytest.mark.skipif(not has_zig(), reason="zig is not installed")
PARTS_OF = {
    "arduino": ("store", "replay", "lesson"),
    "platformio": ("store", "lesson"),
    "zephyr": ("zephyr", "replay"),
    "esp-idf": ("esp-idf", "lesson"),
    "cmsis-pack": ("store", "lesson"),
    "cmake": ("posix", "lesson"),
}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The int8 classifier in each ecosystem."""
    root = tmp_path_factory.mktemp("packages")
    about = About("voice-trainer", "1.2.3", "A. Maker", "https://example.com/voice")
    return {
        name: write_package(
            project("int8"), name, root / "voice-trainer" / name, parts=parts, about=about
        )
        for name, parts in PARTS_OF.items()
    }


def built(package: Path, *command: str | Path) -> None:
    done = subprocess.run([*command], cwd=package, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000]


def properties(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def test_arduino_s_manifest_is_as_its_specification_says(packages: dict[str, Path]) -> None:
    found = properties((packages["arduino"] / "library.properties").read_text())
    needed = "name version author maintainer sentence paragraph category url architectures"
    assert set(found) == {*needed.split(), "includes"} and all(found.values())
    assert re.fullmatch(r"[A-Za-z0-9][\w .-]{0,62}", found["name"], re.ASCII)
    assert found["version"] == "1.2.3" and found["author"] == "A. Maker"
    assert found["category"] == "Data Processing" and found["architectures"] == "*"
    assert (packages["arduino"] / "src" / found["includes"]).is_file()
    sketches = list((packages["arduino"] / "examples").rglob("*.ino"))
    assert sketches and all(path.stem == path.parent.name for path in sketches)


@needs_gcc
def test_an_arduino_library_builds_with_the_flags_of_the_ide(packages: dict[str, Path]) -> None:
    ide = [*CORE, "-Os", "-w", "-std=gnu11", "-ffunction-sections", "-flto", "-c", "-Isrc"]
    sources = sorted((packages["arduino"] / "src").glob("*.c"))
    built(packages["arduino"], ARM_GCC, *ide, *sources)
    sketch = ["-x", "c++", "-include", STUBS / "arduino" / "Arduino.h", "-fno-exceptions"]
    plus = shutil.which("arm-none-eabi-g++")
    assert plus
    careful = [*CORE, "-Os", *CAREFUL, "-std=gnu++17", "-Isrc", "-c"]
    built(packages["arduino"], plus, *careful, *sketch, "examples/Sensor/Sensor.ino")


@needs_gcc
def test_a_platformio_library_builds(packages: dict[str, Path]) -> None:
    told = json.loads((packages["platformio"] / "library.json").read_text())
    assert told["version"] == "1.2.3" and told["headers"] == ["trainer.h"]
    for example in told["examples"]:
        base = packages["platformio"] / example["base"]
        assert all((base / name).is_file() for name in example["files"])
    sources = sorted((packages["platformio"] / "src").glob("*.c"))
    flags = [*CORE, *CAREFUL, *told["build"]["flags"], "-std=c11", "-Isrc", "-c"]
    built(packages["platformio"], ARM_GCC, *flags, *sources)
    plus = [shutil.which("arm-none-eabi-g++") or "", *CORE, *CAREFUL, "-Isrc", "-c"]
    built(packages["platformio"], *plus, f"-I{STUBS / 'arduino'}", "examples/sensor/src/main.cpp")


ZEPHYR = ["-DCONFIG_VOICE_TRAINER=y", "-DCMAKE_SYSTEM_NAME=Generic",
          f"-DCMAKE_C_COMPILER={ARM_GCC}",
          "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY"]  # fmt: skip
CMAKE = """
cmake_minimum_required(VERSION 3.16)
project(around C)
add_library(all_sources OBJECT stub.c)
macro(zephyr_include_directories)
  target_include_directories(all_sources PRIVATE ${ARGN})
endmacro()
macro(zephyr_library_named name)
  set(STUB_LIBRARY ${name})
endmacro()
macro(zephyr_library_sources)
  target_sources(all_sources PRIVATE ${ARGN})
endmacro()
macro(zephyr_library_compile_options)
  target_compile_options(all_sources PRIVATE ${ARGN})
endmacro()
function(idf_component_register)
  cmake_parse_arguments(G "" "" "SRCS;INCLUDE_DIRS;REQUIRES" ${ARGN})
  list(TRANSFORM G_SRCS PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  list(TRANSFORM G_INCLUDE_DIRS PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  target_sources(all_sources PRIVATE ${G_SRCS})
  target_include_directories(all_sources PRIVATE ${G_INCLUDE_DIRS})
  set(COMPONENT_LIB all_sources PARENT_SCOPE)
endfunction()
target_include_directories(all_sources PRIVATE STUBS)
target_sources(all_sources PRIVATE EXAMPLE)
add_subdirectory(PACKAGE part)
"""


def cmake_around(package: Path, folder: str, example: str, stubs: list[Path], work: Path) -> str:
    """The text of a project in which an ecosystem's own functions are stubs."""
    (work / "stub.c").write_text("typedef int not_empty;\n")
    text = CMAKE.replace("PACKAGE", str(package / folder)).replace(
        "EXAMPLE", str(package / example)
    )
    return text.replace("STUBS", " ".join(map(str, stubs)))


@pytest.mark.skipif(not shutil.which("cmake"), reason="cmake is not installed")
@pytest.mark.parametrize(
    ("name", "folder", "example", "given"),
    [
        pytest.param("zephyr", "zephyr", "samples/sensor/src/main.c", ZEPHYR, marks=needs_gcc),
        ("esp-idf", ".", "examples/sensor/main/main.c", []),
    ],
)
def test_a_module_builds_under_the_functions_of_its_build_system(
    packages: dict[str, Path], tmp_path: Path, name: str, folder: str, example: str, given: list
) -> None:
    stubs = [STUBS / name.replace("-", "_"), STUBS.parents[1] / "life" / "stubs"]
    text = cmake_around(packages[name], folder, example, stubs, tmp_path)
    (tmp_path / "CMakeLists.txt").write_text(text)
    core = CORE[:-1] if name == "zephyr" else []
    careful = f"-DCMAKE_C_FLAGS={' '.join([*core, *CAREFUL])}"
    built(tmp_path, "cmake", "-S", tmp_path, "-B", tmp_path / "build", careful, *given)
    built(tmp_path, "cmake", "--build", tmp_path / "build", "-j2")
    made = [*(tmp_path / "build").rglob("*.c.o"), *(tmp_path / "build").rglob("*.c.obj")]
    objects = {path.stem for path in made}
    sources = {path.name for path in packages[name].glob("src/*.c")}
    assert objects == {*sources, "main.c", "stub.c"}


@needs_zig
def test_a_component_of_esp_idf_builds_for_risc_v(
    packages: dict[str, Path], tmp_path: Path
) -> None:
    """As for an ESP32-C3; there is no compiler for Xtensa here."""
    core = ["-target", "riscv32-freestanding", "-mcpu=generic_rv32+m+c", *CLANG, "-O2", *CAREFUL]
    where = [f"-I{STUBS / 'esp_idf'}", f"-I{SOURCES / 'include'}", "-Isrc", "-c"]
    for source in ("src/trainer.c", "examples/sensor/main/main.c"):
        built(packages["esp-idf"], *ZIG, *core, *where, source, "-o", tmp_path / "made.o")


def test_a_pack_describes_the_files_that_it_holds(packages: dict[str, Path]) -> None:
    folder = packages["cmsis-pack"]
    (pdsc,) = folder.glob("*.pdsc")
    assert pdsc.name == "AMaker.voice-trainer.pdsc"
    root = ElementTree.parse(pdsc).getroot()
    assert root.tag == "package" and re.fullmatch(r"\d+\.\d+\.\d+", root.attrib["schemaVersion"])
    for tag in ("vendor", "name"):
        assert re.fullmatch(r"[-_A-Za-z0-9]+", root.findtext(tag, ""))
    assert root.findtext("description") and root.findtext("url")
    (release,) = root.findall("releases/release")
    assert release.attrib["version"] == "1.2.3"
    listed = [file.attrib for file in root.iter("file")]
    assert {one["category"] for one in listed} == {"header", "source"}
    assert all((folder / one["name"]).is_file() for one in listed)
    assert {f"src/{path.name}" for path in (folder / "src").iterdir()} <= {
        one["name"] for one in listed
    }
    for component in root.findall("components/component"):
        words = [component.attrib[key] for key in ("Cclass", "Cgroup", "Csub")]
        assert all(2 <= len(word) <= 32 and word == word.strip() for word in words)
        assert component.findtext("description")
    with zipfile.ZipFile(folder / "AMaker.voice-trainer.1.2.3.pack") as pack:
        assert pack.testzip() is None
        for name in pack.namelist():
            assert pack.read(name) == (folder / name).read_bytes()
        assert pdsc.name in pack.namelist()


@needs_gcc
def test_a_pack_s_files_build(packages: dict[str, Path]) -> None:
    flags = [*CORE, "-O2", "-std=c11", *CAREFUL, "-Isrc", "-c"]
    sources = [*sorted((packages["cmsis-pack"] / "src").glob("*.c")), "templates/sensor.c"]
    built(packages["cmsis-pack"], ARM_GCC, *flags, *sources)


@pytest.mark.skipif(not shutil.which("cmake"), reason="cmake is not installed")
def test_a_cmake_package_is_installed_found_and_predicts_as_python(
    packages: dict[str, Path], tmp_path: Path
) -> None:
    package, build = packages["cmake"], tmp_path / "build"
    built(package, "cmake", "-S", ".", "-B", build, f"-DCMAKE_INSTALL_PREFIX={tmp_path / 'there'}")
    built(package, "cmake", "--build", build, "-j2")
    built(package, "cmake", "--install", build)
    user = tmp_path / "user"
    user.mkdir()
    (user / "main.c").write_text('#include "trainer.h"\nint main(void) { trainer_init(); }\n')
    (user / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.15)\nproject(user C)\n"
        "find_package(voice-trainer CONFIG REQUIRED)\nadd_executable(user main.c)\n"
        "target_link_libraries(user PRIVATE trainlet::voice-trainer)\n"
    )
    built(user, "cmake", "-B", "made", f"-DCMAKE_PREFIX_PATH={tmp_path / 'there'}")
    built(user, "cmake", "--build", "made")
    (tmp_path / "value").write_text("512\n")
    said = subprocess.run([build / "sensor", tmp_path / "value"], capture_output=True, text=True)
    with made("int8").build("host") as trainer:
        logits = trainer.predict(np.full((1, 3, 8), 0.5, np.float32))
    assert said.stdout == f"{int(np.argmax(logits))}\n"


@pytest.mark.parametrize("kind", MAKERS)
def test_the_example_fits_every_kind_of_program(kind: str, tmp_path: Path) -> None:
    package = write_package(project(kind), "cmake", tmp_path / "package")
    flags = ["-std=c11", "-O1", *CAREFUL, "-Isrc", "-fsanitize=undefined", "-lm"]
    built(package, "gcc", "examples/sensor.c", *package.glob("src/*.c"), *flags, "-o", "sensor")
    (tmp_path / "value").write_text("700\n")
    run = [package / "sensor", tmp_path / "value", "1"]
    said = subprocess.run(run, capture_output=True, text=True)
    learnt, answer = said.stdout.splitlines()
    assert learnt == "learnt, status 0" and not said.stderr
    assert kind == "value" or int(answer) in range(3)


BAD = [
    ({"name": "Voice"}, "name"),
    ({"name": "a\n"}, "name"),
    ({"name": "x" * 41}, "name"),
    ({"name": "test"}, "build tools"),
    ({"name": "arduino-voice"}, "Arduino's own"),
    ({"version": "1.2"}, "three numbers"),
    ({"version": "01.2.3"}, "three numbers"),
    ({"author": "me\nurl=evil"}, "author"),
    ({"author": 'x"'}, "author"),
    ({"author": ""}, "author"),
    ({"url": "javascript:1"}, "url"),
    ({"url": 'https://a/"'}, "url"),
]


@pytest.mark.parametrize(("given", "why"), BAD)
def test_what_a_manifest_cannot_say_is_refused(given: dict[str, str], why: str) -> None:
    with pytest.raises(TrainletError, match=why):
        About(**given)


def test_bad_requests_write_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(
        TargetError, match=r"unknown ecosystem 'ardiuno'; .* did you mean 'arduino'"
    ):
        write_package(project("float"), "ardiuno", out)
    for part in ("zephyr", "esp-idf", "posix"):
        with pytest.raises(TargetError, match=f"'{part}' needs a system"):
            write_package(project("float"), "arduino", out, parts=[part])
    with pytest.raises(TargetError, match="unknown part"):
        write_package(project("float"), "arduino", out, parts=["stoer"])
    with pytest.raises(FileError, match="no folder"):
        write_package(tmp_path / "absent", "arduino", out)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match="holds 0 trainers"):
        write_package(tmp_path / "empty", "arduino", out)
    assert not out.exists()
    out.mkdir()
    with pytest.raises(FileError, match="move it away"):
        write_package(project("float"), "arduino", out)
    assert not list(out.iterdir())


def test_a_description_of_anything_else_is_refused(tmp_path: Path) -> None:
    evil = tmp_path / "evil"
    shutil.copytree(project("float"), evil)
    told = json.loads((evil / "trainer.json").read_text())
    api = told["interface"]
    (logits,) = api["outputs"]
    for changed, why in (
        ({**told, "interface": {**api, "prefix": "other"}}, "describes the trainer 'other'"),
        ({**told, "interface": {**api, "prefix": "x;y"}}, "not the description"),
        ({**told, "interface": {**api, "lr": "0); evil("}}, "not the description"),
        ({**told, "interface": {**api, "inputs": []}}, "not the description"),
        ({**told, "interface": {**api, "outputs": [{**logits, "name": "a b"}]}}, "identifier"),
        ({**told, "interface": {**api, "outputs": [{**logits, "count": -1}]}}, "sizes"),
        ({key: value for key, value in told.items() if key != "interface"}, "older Trainlet"),
        ([], "older Trainlet"),
    ):
        (evil / "trainer.json").write_text(json.dumps(changed))
        with pytest.raises(FileError, match=why):
            write_package(evil, "cmake", tmp_path / "out")


def test_one_of_several_trainers_is_named(tmp_path: Path) -> None:
    both = tmp_path / "both"
    shutil.copytree(project("float"), both)
    shutil.copytree(project("rows"), both, dirs_exist_ok=True)
    with pytest.raises(FileError, match="holds 2 trainers; there are: eye, trainer"):
        write_package(both, "cmake", tmp_path / "out")
    package = write_package(both, "cmake", tmp_path / "out", prefix="eye")
    assert {path.name for path in package.glob("src/*.c")} == {"eye.c"}
    assert "project(trainlet-eye " in (package / "CMakeLists.txt").read_text()


def test_the_same_package_has_the_same_bytes(tmp_path: Path) -> None:
    one, two = (write_package(project("float"), "cmsis-pack", tmp_path / k) for k in "12")
    files = [path.relative_to(one) for path in one.rglob("*") if path.is_file()]
    assert files and all((one / name).read_bytes() == (two / name).read_bytes() for name in files)


def test_every_part_is_offered_somewhere() -> None:
    drivers = {part for one in ECOSYSTEMS.values() for part in one.drivers}
    assert drivers == {"littlefs", "posix", "zephyr", "esp-idf"} <= set(PARTS)
