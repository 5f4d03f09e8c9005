"""The ecosystems' own tools take the packages: `make test-export`, in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from export.projects import project
from trainlet.export import About, write_package

ABOUT = About("voice-trainer", "1.2.3", "A. Maker", "https://example.com/voice")
PLATFORMIO = """
import sys
from platformio.package.manifest.schema import ManifestSchema
# The list of licences is downloaded, which is all that the check needs a network for.
known = {"licenses": [{"licenseId": "Apache-2.0"}]}
ManifestSchema.load_spdx_licenses = staticmethod(lambda: known)
from platformio.__main__ import main
sys.exit(main(["pio", *sys.argv[1:]]))
"""
ZEPHYR = """
type: map
mapping:
  name: {type: str, required: true}
  build:
    type: map
    required: true
    mapping:
      cmake: {type: str, required: true}
      kconfig: {type: str, required: true}
  samples:
    type: seq
    sequence:
      - type: str
"""
"""What Zephyr's documentation says of the keys that a module.yml of ours has."""


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(name) is None, reason=f"{name}: make test-export has it")


def package(to: str, folder: Path, *parts: str) -> Path:
    return write_package(project("int8"), to, folder, parts=parts, about=ABOUT)


def run(work: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command whose settings stay in the test's folder."""
    alone = {"HOME": str(work), "PLATFORMIO_CORE_DIR": str(work / "pio")}
    git = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    env = {**os.environ, **alone, **git}
    return subprocess.run(words, cwd=work, env=env, capture_output=True, text=True, timeout=120)


def done(work: Path, *words: str) -> str:
    result = run(work, *words)
    assert result.returncode == 0, (result.stdout + result.stderr)[-3000:]
    return result.stdout


@needs("platformio")
@pytest.mark.parametrize("to", ["platformio", "arduino"])
def test_platformio_packs_the_library(to: str, tmp_path: Path) -> None:
    """It reads library.json, and library.properties of an Arduino library."""
    folder, made = package(to, tmp_path / "package", "store", "lesson"), tmp_path / "made.tar.gz"
    pack = (sys.executable, "-c", PLATFORMIO, "pkg", "pack", "-o", str(made), str(folder))
    done(tmp_path, *pack)
    with tarfile.open(made) as archive:
        names = set(archive.getnames())
    assert {"src/trainer.c", "src/trainlet_store.c"} <= names
    manifest = folder / {"platformio": "library.json", "arduino": "library.properties"}[to]
    manifest.write_text(manifest.read_text().replace("1.2.3", "first"))
    assert run(tmp_path, *pack).returncode


@needs("idf_component_manager")
def test_the_component_manager_packs_the_component(tmp_path: Path) -> None:
    folder = package("esp-idf", tmp_path / "package", "esp-idf")
    pack = (
        str(Path(sys.executable).parent / "compote"), "component", "pack",
        "--project-dir", str(folder), "--name", "voice-trainer", "--dest-dir", str(tmp_path / "d"),
    )  # fmt: skip
    done(tmp_path, *pack)
    with tarfile.open(tmp_path / "d" / "voice-trainer_1.2.3.tgz") as archive:
        names = {Path(name).as_posix() for name in archive.getnames()}
    assert {"CMakeLists.txt", "idf_component.yml", "src/trainlet_esp_idf.c"} <= names
    manifest = folder / "idf_component.yml"
    manifest.write_text(manifest.read_text().replace("1.2.3", "first"))
    assert run(tmp_path, *pack).returncode


@needs("idf_component_tools")
def test_the_manifest_of_the_example_names_the_component(tmp_path: Path) -> None:
    from idf_component_tools.manager import ManifestManager

    folder = package("esp-idf", tmp_path / "voice-trainer")
    main = folder / "examples" / "sensor" / "main"
    manager = ManifestManager(main, "main")
    assert manager.validation_errors == []
    (needed,) = manager.manifest.dependencies.values()
    assert (main / str(needed.override_path)).resolve() == folder


@needs("west")
def test_west_fetches_the_module(tmp_path: Path) -> None:
    """As a project of a manifest; Zephyr itself is not in this workspace."""
    folder = package("zephyr", tmp_path / "origin", "zephyr", "replay")
    name = ("-c", "user.name=A. Maker", "-c", "user.email=maker@example.com")
    for words in (("init", "-q", "-b", "main"), ("add", "."), (*name, "commit", "-qm", "First")):
        done(tmp_path, "git", "-C", str(folder), *words)
    app = tmp_path / "work" / "app"
    app.mkdir(parents=True)
    (app / "west.yml").write_text(
        "manifest:\n  projects:\n    - name: voice-trainer\n"
        f"      url: {folder.as_uri()}\n      revision: main\n      path: modules/voice\n"
    )
    west = (sys.executable, "-m", "west")
    done(tmp_path, *west, "init", "-l", str(app))
    for words in (("update",), ("list", "-f", "{name} {path}")):
        environment = {**os.environ, "HOME": str(tmp_path)}
        found = subprocess.run(
            [*west, *words], cwd=app, env=environment, capture_output=True, text=True
        )
        assert found.returncode == 0, found.stderr
    assert "voice-trainer modules/voice" in found.stdout
    assert (tmp_path / "work" / "modules" / "voice" / "zephyr" / "module.yml").is_file()


@needs("pykwalify")
def test_module_yml_has_the_keys_that_zephyr_documents(tmp_path: Path) -> None:
    import yaml
    from pykwalify.core import Core

    folder = package("zephyr", tmp_path / "package")
    told = yaml.safe_load((folder / "zephyr" / "module.yml").read_text())
    Core(source_data=told, schema_data=yaml.safe_load(ZEPHYR)).validate()
    assert (folder / told["build"]["cmake"] / "CMakeLists.txt").is_file()
    assert (folder / told["build"]["kconfig"]).is_file()
    assert all((folder / sample).is_dir() for sample in told["samples"])
    sample = yaml.safe_load((folder / "samples" / "sensor" / "sample.yaml").read_text())
    assert set(sample) == {"sample", "tests"}
