"""The C library that keeps a trainer's state in Flash, and its drivers for file systems."""

from __future__ import annotations

from pathlib import Path

from trainlet.errors import TargetError
from trainlet.files import check_folder, check_replaceable, filling
from trainlet.ir.arguments import one_of

C = Path(__file__).parent / "c"
LIBRARY = ("trainlet_store.h", "trainlet_store.c")
DRIVERS = {
    "flash": "Flash of the microcontroller: three functions of your own",
    "posix": "files of a POSIX system",
    "littlefs": "files of littlefs",
    "zephyr": "entries of Zephyr's ZMS",
    "esp-idf": "blobs of ESP-IDF's NVS",
}
ON_ENTRIES = ("zephyr", "esp-idf")


def write_store(folder: str | Path, driver: str = "flash") -> tuple[Path, ...]:
    """Write trainlet_store.h, trainlet_store.c and the driver; returns the files.

    driver: a key of DRIVERS.  `flash` has no file: its functions are those of your board.

    Raises TargetError for another driver, FileError where the folder cannot be written; then
    nothing is written.
    """
    names = [*LIBRARY, *driver_files(one_of("unknown driver ", driver, DRIVERS, TargetError))]
    folder = Path(folder)
    check_folder(folder)
    for name in names:
        check_replaceable(folder / name)
    with filling(folder) as new:
        for name in names:
            (new / name).write_bytes((C / name).read_bytes())
    return tuple(folder / name for name in names)


def driver_files(driver: str) -> tuple[str, ...]:
    """The names of a driver's files."""
    if driver == "flash":
        return ()
    stems = ["trainlet_entries"] * (driver in ON_ENTRIES)
    stems.append(f"trainlet_{driver.replace('-', '_')}")
    return tuple(stem + end for stem in stems for end in (".h", ".c"))
