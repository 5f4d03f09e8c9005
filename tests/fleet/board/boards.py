"""Builds the C library of a board with a trainer, for this machine and for an emulated M7."""

import subprocess
from pathlib import Path

import numpy as np

import trainlet as tl
from trainlet.backends.c import write_project
from trainlet.backends.firmware import SOURCES, render
from trainlet.backends.toolchain import EXACT, arm_toolchain, host_compiler, run, warning_flags
from trainlet.fleet.frames import FileStream

HERE = Path(__file__).parent
LIBRARY = Path(tl.__file__).parent / "fleet" / "board"


def write_examples(folder: Path, x: np.ndarray, y: np.ndarray) -> None:
    """examples.h: x [n, inputs] float32, y [n] int."""
    rows = ",\n".join("{" + ", ".join(f"{v.hex()}f" for v in map(float, row)) + "}" for row in x)
    (folder / "examples.h").write_text(
        "#include <stdint.h>\n"
        f"#define EXAMPLES {len(x)}\n#define INPUTS {x.shape[1]}\n"
        f"static const float examples_x[EXAMPLES][INPUTS] = {{{rows}}};\n"
        f"static const int32_t examples_y[EXAMPLES] = {{{', '.join(map(str, y))}}};\n"
    )


def host_board(program: tl.CompiledProgram, folder: Path, x: np.ndarray, y: np.ndarray) -> list:
    """The command of a board that is a process; its port is standard input and output."""
    write_project(program, folder)
    write_examples(folder, x, y)
    sources = [HERE / "board_main.c", HERE / "port_host.c", LIBRARY / "fleet_board.c",
               folder / "trainer.c"]  # fmt: skip
    sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    run([*host_compiler(sanitizers=True), *EXACT, "-O1", *sanitize, *warning_flags(),
         "-D_POSIX_C_SOURCE=200809L", f"-I{folder}", f"-I{HERE}", f"-I{LIBRARY}",
         *map(str, sources), "-o", str(folder / "board")])  # fmt: skip
    return [str(folder / "board")]


def m7_board(program: tl.CompiledProgram, folder: Path, x: np.ndarray, y: np.ndarray) -> list:
    """The command of QEMU's Cortex-M7 with a board's firmware."""
    write_project(program, folder)
    write_examples(folder, x, y)
    target, cpu = program.target, program.target.cpu
    assert cpu is not None
    toolchain = arm_toolchain()
    sources = [HERE / "board_main.c", HERE / "port_m7.c", LIBRARY / "fleet_board.c",
               folder / "trainer.c", SOURCES / "startup.c", SOURCES / "board_semihosting.c",
               SOURCES / "memory.c"]  # fmt: skip
    options = [f"-I{folder}", f"-I{HERE}", f"-I{LIBRARY}", f"-I{SOURCES}",
               f"-I{SOURCES / 'include'}", f"-DHAS_FPU={int(cpu.fpu)}", f"-DMPU_VERSION={cpu.mpu}",
               f"-DTIMER_BASE={cpu.timer:#x}u", "-fno-tree-loop-distribute-patterns"]  # fmt: skip
    objects = [folder / f"{source.stem}.o" for source in sources]
    for source, made in zip(sources, objects, strict=True):
        toolchain.compile(cpu, source, made, *options)
    offset = 0x400 if cpu.vectors == cpu.flash else 0
    script = render("link.ld.jinja", folder, target=target, cpu=cpu, offset=offset)
    toolchain.link(cpu, objects, script, folder / "board.elf")
    assert cpu.board is not None
    return ["qemu-system-arm", "-M", cpu.board.machine, "-kernel", str(folder / "board.elf"),
            "-display", "none", "-monitor", "none", "-serial", "none",
            "-semihosting-config", "enable=on,target=native"]  # fmt: skip


def learn_in_boards_order(
    trainer: tl.Trainer, x: np.ndarray, y: np.ndarray, epochs: int, seed: int
) -> list[float]:
    """Train as board_main.c does; the losses."""
    order, losses = list(range(len(x))), []
    for _ in range(epochs):
        for k in range(len(x) - 1, 0, -1):
            seed = (seed * 1664525 + 1013904223) % 2**32
            other = (seed >> 8) % (k + 1)
            order[k], order[other] = order[other], order[k]
        losses += [trainer.step(x[n], y[n : n + 1]) for n in order]
    return losses


class Process:
    """A board that is a process, and the stream to it."""

    def __init__(self, command: list) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        assert self.process.stdin and self.process.stdout
        self.stream = FileStream(self.process.stdout.fileno(), self.process.stdin.fileno())

    def __enter__(self) -> FileStream:
        return self.stream

    def __exit__(self, *error: object) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
