"""The ecosystems that a package can be written for, and writing one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from trainlet.errors import TargetError
from trainlet.export import arduino, cmake, cmsis_pack, esp_idf, platformio, zephyr
from trainlet.export.package import About, Files, Package
from trainlet.export.project import read_project
from trainlet.files import check_replaceable, filling
from trainlet.ir.arguments import one_of
from trainlet.life.library import PARTS, C, files_of


@dataclass(frozen=True)
class Ecosystem:
    """what: one line of help; files: those of a package; drivers: parts of `trainlet library` that
    need a system, and have it here"""

    what: str
    files: Callable[[Package], Files]
    drivers: tuple[str, ...] = ("littlefs",)


ECOSYSTEMS = {
    "arduino": Ecosystem("a library of the Arduino IDE", arduino.files),
    "platformio": Ecosystem("a library of PlatformIO", platformio.files),
    "zephyr": Ecosystem("a module of Zephyr", zephyr.files, ("littlefs", "zephyr")),
    "esp-idf": Ecosystem("a component of ESP-IDF", esp_idf.files, ("littlefs", "posix", "esp-idf")),
    "cmsis-pack": Ecosystem("an Open-CMSIS-Pack", cmsis_pack.files),
    "cmake": Ecosystem("a CMake package", cmake.files, ("littlefs", "posix")),
}
DEFAULT = About()
SYSTEMS = ("littlefs", "posix", "zephyr", "esp-idf")


def write_package(
    project: str | Path,
    to: str,
    folder: str | Path,
    *,
    parts: Iterable[str] = (),
    prefix: str | None = None,
    about: About = DEFAULT,
) -> Path:
    """Write the C project of a folder as a package; all of its files, or none.

    project: the folder that `trainlet compile -o` or `program.write` wrote
    to: a key of ECOSYSTEMS
    folder: the package, which must not exist
    parts: of the C libraries that work beside a trainer, keys of trainlet.life.PARTS
    prefix: of the trainer, where `project` holds several
    about: what the manifest says
    Raises TargetError for an unknown ecosystem or part, FileError.
    """
    one_of("unknown ecosystem ", to, ECOSYSTEMS, TargetError)
    wanted = tuple(dict.fromkeys(parts))
    for part in wanted:
        one_of("unknown part ", part, PARTS, TargetError)
        if part in SYSTEMS and part not in ECOSYSTEMS[to].drivers:
            has = ", ".join(ECOSYSTEMS[to].drivers)
            raise TargetError(
                f"the driver '{part}' needs a system that '{to}' has not; drivers here: {has}; or "
                "take 'store' and write the three functions of your Flash"
            )
    read = read_project(project, prefix)
    about = replace(about, name=about.name or f"trainlet-{read.api.prefix.replace('_', '-')}")
    names = dict.fromkeys(file for part in wanted for file in files_of(part))
    libraries = {name: (C / name).read_bytes() for name in names}
    files = ECOSYSTEMS[to].files(Package(about, read, libraries, wanted))
    folder = Path(folder)
    check_replaceable(folder)
    with filling(folder.parent, shown=folder) as new:
        for name, content in files.items():
            path = new / folder.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder
