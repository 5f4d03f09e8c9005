"""What happens to the files of a project folder that its owner may change."""

from pathlib import Path

import pytest
import torch
from torch import nn

import trainlet as tl
from trainlet.backends import project
from trainlet.backends.c import write_project
from trainlet.errors import FileError

EXAMPLES = ("main.c", "CMakeLists.txt")


def program(outputs: int = 3, prefix: str = "trainer") -> tl.CompiledProgram:
    model = nn.Linear(4, outputs).eval()
    return tl.compile(model, torch.zeros(1, 4), "full", target="host", prefix=prefix)


def texts(folder: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in folder.iterdir()}


def fresh(of: tl.CompiledProgram, tmp_path: Path) -> dict[str, str]:
    return texts(of.write(tmp_path / f"fresh-{of.prefix}"))


def test_unchanged_examples_follow_the_program(tmp_path, recwarn):
    folder, other = program().write(tmp_path / "out"), program(prefix="gait")
    other.write(folder)
    assert not recwarn.list
    wanted = fresh(other, tmp_path)
    assert texts(folder)["main.c"] == wanted["main.c"]
    assert "add_library(trainer" in texts(folder)["CMakeLists.txt"]
    assert "add_library(gait" in texts(folder)["CMakeLists.txt"]
    for path in folder.glob("trainer*"):
        path.unlink()
    other.write(folder)
    assert texts(folder) == wanted, "who has left is no longer built"


@pytest.mark.parametrize("change", ["/* mine */\n", "", "{}x", " {}", "{}\n/* more */\n"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_changed_example_stays_and_is_named(tmp_path, name, change):
    folder = program().write(tmp_path / "out")
    mine = change.replace("{}", (folder / name).read_text())
    (folder / name).write_text(mine)
    (folder / "trainer.c").write_text("")
    new = program(outputs=5)
    with pytest.warns(UserWarning, match=f"^{name} in .* was kept.*move it away"):
        new.write(folder)
    assert texts(folder) == {**fresh(new, tmp_path), name: mine}
    assert write_project(new, folder) == (name,)


def test_another_programs_example_is_the_owners(tmp_path):
    (tmp_path / "main.c").write_text("int main(void) { return 0; }\n")
    assert write_project(program(), tmp_path) == ("main.c",)
    assert texts(tmp_path)["main.c"] == "int main(void) { return 0; }\n"


@pytest.mark.parametrize("name", EXAMPLES)
def test_other_line_ends_are_no_change(tmp_path, name):
    """Git may have put a carriage return before each."""
    folder = program().write(tmp_path / "out")
    (folder / name).write_bytes((folder / name).read_bytes().replace(b"\n", b"\r\n"))
    new = program(outputs=5)
    assert write_project(new, folder) == ()
    assert texts(folder) == fresh(new, tmp_path)


def test_an_example_that_is_no_text_stays(tmp_path):
    (tmp_path / "main.c").write_bytes(b"\xff\xfe\x00")
    assert write_project(program(), tmp_path) == ("main.c",)
    assert (tmp_path / "main.c").read_bytes() == b"\xff\xfe\x00"


@pytest.mark.parametrize("name", ["trainer.h", "trainer_kernels.h", "main.c"])
def test_one_file_that_cannot_be_replaced_stops_all(tmp_path, name):
    folder = program().write(tmp_path / "out")
    (folder / name).unlink()
    (folder / name).mkdir()
    before = {p.name: p.read_text() for p in folder.iterdir() if p.is_file()}
    for attempt in (program(outputs=5).write, lambda f: project.check(f, "trainer")):
        with pytest.raises(FileError, match=f"{name}: it is a folder; move it away"):
            attempt(folder)
    assert {p.name: p.read_text() for p in folder.iterdir() if p.is_file()} == before


def test_a_lone_file_of_that_name_is_no_neighbour(tmp_path):
    (tmp_path / "past_weights.h").touch()
    assert write_project(program(), tmp_path) == ()
    assert "past" not in texts(tmp_path)["CMakeLists.txt"]


def test_files_of_others_never_become_text_of_cmake(tmp_path):
    program().write(tmp_path)
    for part in (".c", ".h", "_kernels.h", "_weights.h"):
        (tmp_path / f'x) file(WRITE hello "y"{part}').write_text("")
        (tmp_path / f"all{part}").write_text("")
    program().write(tmp_path)
    text = (tmp_path / "CMakeLists.txt").read_text()
    assert "file(WRITE" not in text and "add_library(all " not in text
