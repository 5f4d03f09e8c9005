"""Where the instructions and the bytes of a training step go: counted on an emulator, by node.

The generated C is compiled once more with a mark between the calls, at which the harness notes its
counter.  Marks keep the compiler from sharing work between calls; how much that adds is measured
against the program without them.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from trainlet.backends.c import write_project
from trainlet.backends.firmware import Firmware, build_firmware
from trainlet.backends.image import read_image
from trainlet.backends.interface import interface_of
from trainlet.errors import TargetError, TrainletError
from trainlet.ir.arrays import SAMPLES
from trainlet.ir.graph import Node
from trainlet.ir.roles import target_name
from trainlet.ir.storage import storage
from trainlet.ops.op import OPS
from trainlet.planning.plan import Plan
from trainlet.planning.program import Program
from trainlet.planning.report import Report
from trainlet.planning.tiles.tile import Band, Slide, Tile, TileStep
from trainlet.run.commands import CommandDevice
from trainlet.run.counted import AROUND, Profile, Row
from trainlet.run.cycles import UNIT, check_cycles, cycles_of
from trainlet.run.llvm import Instruction, disassembly
from trainlet.run.qemu_blocks import read_log
from trainlet.run.qemu_device import QemuDevice
from trainlet.run.trainer import Trainer, build_trainer
from trainlet.run.unicorn_device import UnicornDevice

MACHINES = {"unicorn": UnicornDevice, "qemu": QemuDevice}
HARNESS = 1024  # bytes of Flash that marking takes in the harness, at most


def profile(
    program: Program, report: Report, device: str | None = None, cycles: bool = False
) -> Profile:
    """Count one step and one prediction, on inputs drawn with a fixed seed.

    device: "unicorn" or "qemu"; None for Unicorn where it knows the core, else QEMU.  With summed
    gradients the step is the last of a sum, the one that also updates.  cycles: whether they are
    estimated too (`trainlet.run.cycles`).  Raises TargetError for a target that is no
    microcontroller, or that the emulator or the estimate does not know, and ToolchainError where
    the estimate's tools are not installed.
    """
    model = check_cycles(program.target.cpu) if cycles else None
    device = device or emulator_of(program)
    if device not in MACHINES:
        raise TrainletError(
            f"{device!r} does not count instructions; allowed: {', '.join(MACHINES)}"
        )
    with build_trainer(program, device) as plain:
        predict, step = _predict(plain), _step(plain)
    with tempfile.TemporaryDirectory(prefix="trainlet-") as work:
        firmware = _marked(program, Path(work))
        with Trainer(program, MACHINES[device](firmware)) as marked:
            whole, (cost, *spent) = _step(marked), _marks(marked)
        found = _profile(program, report, device, predict, step, whole, cost, spent)
        if model is None:
            return found
        code = disassembly(firmware.elf, firmware.cpu.name, model.oldest)
        weighed = _weighed_in_qemu if device == "qemu" else _weighed_in_unicorn
        whole, cost, spent = weighed(program, firmware, code)
    taken = _profile(program, report, device, predict, step, whole, cost, spent).rows
    rows = (
        replace(row, cycles=round(other.instructions / UNIT))
        for row, other in zip(found.rows, taken, strict=True)
    )
    return replace(found, rows=tuple(rows), mhz=model.mhz)


Spent = tuple[int, int, list[int]]
"""Of a step with marks: all of it, a mark, and what lies between marks."""


def _weighed_in_unicorn(program: Program, firmware: Firmware, code: Sequence[Instruction]) -> Spent:
    """Cycles in parts of one: what blocks there are, then the same run with their weights."""
    device = UnicornDevice(firmware)
    with Trainer(program, device) as trainer:
        _step(trainer)
        weights = cycles_of(code, device.link.blocks, firmware.cpu)
    with Trainer(program, UnicornDevice(firmware, weights=weights)) as trainer:
        whole, (cost, *spent) = _step(trainer), _marks(trainer)
    return whole, cost, spent


def _weighed_in_qemu(program: Program, firmware: Firmware, code: Sequence[Instruction]) -> Spent:
    """Cycles in parts of one, from a log of one run."""
    with tempfile.TemporaryDirectory(prefix="trainlet-") as work:
        log = Path(work) / "log"
        with Trainer(program, QemuDevice(firmware, count=False, log=log)) as trainer:
            _step(trainer)
        ran, marks = read_log(log, code).last_call(read_image(firmware.elf))
    summed = np.cumsum(ran.weigh(cycles_of(code, ran.blocks(), firmware.cpu)))
    at = [int(summed[k - 1]) for k in marks]
    cost, *spent = np.diff(at).tolist()
    return int(summed[-1]), cost, spent


def emulator_of(program: Program) -> str:
    """Unicorn where it knows the core, else QEMU; raises TargetError where nothing counts."""
    if program.target.cpu is None:
        raise TargetError(
            f"target {program.target.name!r} is not a microcontroller, and only emulated ones "
            "count instructions; choose another target (trainlet targets lists them)"
        )
    return "unicorn" if program.target.cpu.unicorn else "qemu"


def step_instructions(program: Program) -> int:
    """Instructions of one step, as `profile` counts them."""
    with build_trainer(program, emulator_of(program)) as trainer:
        return _step(trainer)


def _marks(trainer: Trainer) -> list[int]:
    """What a mark itself costs, and what was counted between marks."""
    assert isinstance(trainer.device, CommandDevice)
    return trainer.device.marked()


def _marked(program: Program, work: Path) -> Firmware:
    """The program with marks, and room for them in RAM, built in a folder."""
    count = 1 + sum(len(_called(stage.plan)) + 1 for stage in program.planned)
    target = replace(
        program.target,
        ram=_roomier(program.target.ram, 4 * count),
        flash=_roomier(program.target.flash, HARNESS + 4 * count),
    )
    project = work / program.prefix
    write_project(program, project, marks=True)
    return build_firmware(project, interface_of(program), target, work / "elf", marks=count)


def _roomier(size: int | None, more: int) -> int:
    """A RAM size that is a power of two, so that one region of the memory protection unit covers
    it."""
    return 1 << ((size or 0) + more - 1).bit_length()


def _called(plan: Plan) -> list[tuple[str, Node]]:
    """What runs between two marks, in its order: an op, or what moves rows of a tile."""
    called: list[tuple[str, Node]] = []
    for step in plan.steps():
        if isinstance(step, Tile):
            for loop in step.loops:
                called += [_kind(s) for s in loop.body] * loop.times
        elif not OPS[step.op].alias:
            called.append((step.op, step))
    return called


def _kind(step: TileStep) -> tuple[str, Node]:
    if isinstance(step, Band):
        return step.node.op, step.node
    return "slide" if isinstance(step, Slide) else "fetch", step.node


def _example(program: Program) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Inputs and targets that are the same each time."""
    draw = np.random.default_rng(0)
    inputs = {
        n.name: draw.integers(0, n.attrs["below"], storage(n).shape) if "below" in n.attrs
        else draw.integers(0, 256, storage(n).shape) if n.type.dtype in SAMPLES
        else draw.uniform(-1, 1, storage(n).shape)
        for n in program.inputs
    }  # fmt: skip
    targets = {target_name(n): np.zeros(n.type.shape, n.type.dtype) for n in program.targets}
    return inputs, targets


def _predict(trainer: Trainer) -> int:
    trainer.predict(_example(trainer.program)[0])
    return trainer.instructions or 0


def _step(trainer: Trainer) -> int:
    """Instructions of the step that updates."""
    trainer.reset()
    for _ in range(trainer.program.accumulate):
        trainer.step(*_example(trainer.program))
    return trainer.instructions or 0


def _profile(
    program: Program,
    report: Report,
    device: str,
    predict: int,
    step: int,
    whole: int,
    cost: int,
    spent: list[int],
) -> Profile:
    """Rows of the calls in their order, and one of what is around them.

    `whole` and `spent` are of the program with marks, of which each takes `cost`.
    """
    forward = set(program.predict_order)
    rows, marks = [], len(program.planned) + 1
    for stage in program.planned:
        calls, turns = _called(stage.plan), defaultdict[tuple[str, Node], list[int]](list)
        for call, instructions in zip(calls, spent[: len(calls)], strict=True):
            turns[call].append(instructions - cost)
        rows += [_row(op, n, n in forward, sum(t)) for (op, n), t in turns.items()]
        spent = spent[len(calls) + 1 :]  # what lies between the stages is around them
        marks += len(calls)
    around = whole - marks * cost - sum(row.instructions for row in rows)
    rows.append(Row("", AROUND, "around", "", around, 0, 0, 0))
    return Profile(
        target=program.target.name,
        device=device,
        rows=tuple(rows),
        instructions_predict=predict,
        instructions_step=step,
        disturbance=whole - marks * cost - step,
        report=report,
    )


def _row(name: str, n: Node, forward: bool, instructions: int) -> Row:
    if name != n.op:  # rows that are moved or fetched, for the forward pass
        return Row(_label(n), name, "forward", _shape(n), instructions, 0, 0, 0)
    op = OPS[n.op]
    phase = "forward" if forward else "update" if op.mutates is not None else "backward"
    return Row(
        node=_label(n),
        op=op.kernel(n),
        phase=phase,
        shapes=f"{' '.join(map(_shape, n.inputs[:2]))} -> {_shape(n)}",
        instructions=instructions,
        macs=op.macs(n),
        result_bytes=0 if op.mutates is not None else n.type.nbytes,
        workspace_bytes=op.workspace(n),
    )


def _shape(n: Node) -> str:
    return "x".join(map(str, n.type.shape)) or "1"


def _label(n: Node) -> str:
    """The node's name, or that of the parameter or constant that it reads."""
    named = (i.name for i in n.inputs if i.op in ("param", "const") and i.name)
    return n.name or next(named, "")
