"""A generated project as bare-metal firmware: compiled, linked into the target's memory, measured.

The firmware is the project's code and a harness (start-up, command loop), whose C and linker
sources are in the folder `firmware` beside this file.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from trainlet.backends.image import read_image
from trainlet.backends.interface import Interface
from trainlet.backends.stack import CallGraph
from trainlet.backends.toolchain import arm_toolchain
from trainlet.errors import TargetError, ToolchainError
from trainlet.planning.cpu import Cpu
from trainlet.planning.target import Target

SOURCES = Path(__file__).parent / "firmware"
VECTORS = 64  # bytes
PRODUCT = (".trainer_code", ".trainer_constants", ".library_code", ".library_constants")
HARNESS = (".vectors", ".harness_code", ".harness_constants")
CALLS = ("call_init", "call_predict", "call_step")  # what board_call calls
SELECTING = ("call_measure", "call_select")
OF_FEATURES = ("call_features", "call_predict_features", "call_step_features")


@dataclass(frozen=True)
class Firmware:
    """An ELF that fits its target, and its figures in bytes.

    `flash_bytes` and `static_ram_bytes` are the trainer's alone, as a product would have them:
    the generated code, its constants, weights and initial data, and the library functions it
    calls.  The harness is left out; `image_flash_bytes` and `image_ram_bytes` are the whole ELF,
    harness and reserved stack included.  `stack_bytes` is the worst case of a call of init,
    predict or step, from its caller's frame down.
    """

    elf: Path
    interface: Interface
    target: Target
    flash_bytes: int
    static_ram_bytes: int
    stack_bytes: int
    image_flash_bytes: int
    image_ram_bytes: int

    @property
    def cpu(self) -> Cpu:
        return core(self.target)


def core(target: Target) -> Cpu:
    """The target's core; a host has none and takes no firmware."""
    if target.cpu is None:
        raise TargetError(
            f"target '{target.name}' is not a microcontroller and runs no firmware; "
            "`trainlet targets` lists others"
        )
    return target.cpu


def render(name: str, folder: Path, **values: object) -> Path:
    """Fill in a template of `firmware/`; the file in `folder` has its name without .jinja."""
    environment = Environment(
        loader=FileSystemLoader(SOURCES), undefined=StrictUndefined, keep_trailing_newline=True
    )
    path = folder / name.removesuffix(".jinja")
    path.write_text(environment.get_template(name).render(**values))
    return path


def build_firmware(
    project: Path | str,
    interface: Interface,
    target: Target,
    folder: Path | str | None = None,
    compiler: str | None = None,
    marks: int = 0,
) -> Firmware:
    """Compile `<prefix>.c` of the project and the harness; objects and ELF go into `folder`.

    Without a folder a temporary one is made, for the caller to remove.  `compiler` is "gcc" or
    "zig"; None leaves the choice to the target, then to TRAINLET_CC, then to what is installed.
    `marks`: how many marks of a call the harness keeps, for a project that was written with them.
    """
    cpu = core(target)
    project = Path(project)
    out = Path(folder or tempfile.mkdtemp(prefix="trainlet-"))
    out.mkdir(parents=True, exist_ok=True)
    toolchain = arm_toolchain(compiler or target.compiler)
    sources = {
        "trainer.o": project / f"{interface.prefix}.c",
        "main.o": render("main.c.jinja", out, interface=interface),
        "startup.o": SOURCES / "startup.c",
        "board.o": SOURCES / "board_semihosting.c",
        "memory.o": SOURCES / "memory.c",
    }
    options = [f"-I{project}", f"-I{SOURCES}", f"-I{SOURCES / 'include'}",
               f"-DHAS_FPU={int(cpu.fpu)}", f"-DMPU_VERSION={cpu.mpu}",
               f"-DTIMER_BASE={cpu.timer:#x}u", ]  # fmt: skip
    if marks:
        options.append(f"-DMARKS={marks}")
    if toolchain.kind == "gcc":  # it would turn the loop in memcpy into a call of memcpy
        options.append("-fno-tree-loop-distribute-patterns")
    for name, source in sources.items():
        toolchain.compile(cpu, source, out / name, *options)
    offset = VECTORS if cpu.vectors == cpu.flash else 0
    script = render("link.ld.jinja", out, target=target, cpu=cpu, offset=offset)
    elf = out / f"{interface.prefix}.elf"
    try:
        toolchain.link(cpu, [out / name for name in sources], script, elf)
    except ToolchainError as error:
        raise overflow(str(error), target) or error from None
    return measure(elf, interface, target)


def overflow(message: str, target: Target) -> TargetError | None:
    """A plain error for a linker message about a full memory."""
    over: dict[str, int] = {}
    for region, size in re.findall(r"'?(\w+)'?:? overflowed by (\d+) bytes", message):
        over[region] = max(over.get(region, 0), int(size))
    if not over:
        return None
    limits = {"RAM": target.ram, "FLASH": target.flash}
    parts = [f"{region} by {size} bytes (of {limits[region]})" for region, size in over.items()]
    return TargetError(
        f"the program does not fit target '{target.name}': it exceeds {' and '.join(parts)}, "
        f"{target.stack} bytes of stack included in RAM; update fewer parameters, "
        "use int8, or choose a larger target"
    )


def measure(elf: Path, interface: Interface, target: Target) -> Firmware:
    """Read the figures from the ELF, and see that the reserved stack is enough."""
    image = read_image(elf)
    graph = CallGraph(image)
    calls = (*CALLS, *(SELECTING if interface.selects else ()))
    calls += OF_FEATURES if interface.feature_bytes else ()
    callbacks = {"board_call": calls, f"{interface.prefix}_save": ("write_blob",),
                 f"{interface.prefix}_load": ("read_blob",)}  # fmt: skip
    whole = graph.worst("start", callbacks)
    if whole > target.stack:
        raise TargetError(
            f"the program needs {whole} bytes of stack, but target '{target.name}' reserves "
            f"{target.stack}; increase Target.stack"
        )
    code = image.size(*PRODUCT)
    data = image.size(".trainer_data", ".data")
    return Firmware(
        elf=elf,
        interface=interface,
        target=target,
        flash_bytes=code + data,
        static_ram_bytes=image.size(".trainer_data", ".trainer_bss"),
        stack_bytes=max(graph.worst(call) for call in calls),
        image_flash_bytes=code + data + image.size(*HARNESS),
        image_ram_bytes=data + image.size(".trainer_bss", ".bss", ".stack"),
    )
