"""A compiled trainer: its report, its C project, and its builds for devices."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from trainlet.backends import project
from trainlet.backends.aten.project import write_packages
from trainlet.backends.c import write_project
from trainlet.backends.firmware import Firmware, build_firmware
from trainlet.backends.interface import interface_of
from trainlet.backends.onnx.any_batch import SIZES
from trainlet.backends.onnx.project import write_models
from trainlet.backends.sections import sections_of
from trainlet.backends.wasm.project import write_module
from trainlet.errors import TargetError, ToolchainError, UnsupportedError
from trainlet.ops.quantized.precision import Int8
from trainlet.planning.choices import Options
from trainlet.planning.costs import costs
from trainlet.planning.program import Program
from trainlet.planning.report import ProgramChoice, Report
from trainlet.planning.target import WASM
from trainlet.progress import stage
from trainlet.run.counted import Profile
from trainlet.run.profile import profile
from trainlet.run.trainer import Trainer, build_trainer

WRITERS = {"onnxruntime": write_models, "torch": write_packages, WASM: write_module}
"""What writes a program for a runtime."""


@dataclass(frozen=True)
class CompiledProgram(Program):
    """A program, with methods to report, write, build and profile it.

    precision: how it computes in int8; None in float32.  options: other programs of the network.
    folded: a parameter that the scheme names -> the one that it became part of, and learns with.
    """

    precision: Int8 | None = None
    options: Options | None = field(default=None, repr=False, compare=False)
    folded: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def report(self) -> Report:
        """Memory, Flash and work; stack and Flash are measured by compiling the firmware."""
        firmware = self.firmware
        params = sum(n.type.nbytes for n in self.params)
        return Report(
            target=self.target.name,
            arena_bytes=self.arena_bytes,
            lower_bound_bytes=max(stage.plan.lower_bound for stage in self.planned),
            every_order_bytes=self._every_order(),
            parameter_bytes=params,
            state_bytes=self.state_bytes - params,
            saved_bytes=self.saved_bytes,
            constant_bytes=self.constant_bytes,
            macs_forward=self.macs_forward,
            macs_backward=self.macs_backward,
            macs_recomputed=self.macs_recomputed,
            recompute_won_bytes=self._won(),
            stack_bytes=firmware.stack_bytes if firmware else None,
            flash_bytes=firmware.flash_bytes if firmware else None,
            ram_limit=self.target.ram,
            flash_limit=self.target.flash,
            plan=self.plan,
            feature_bytes=self.feature_bytes,
            macs_front=self.macs_front,
            costs=costs(self),
            alternatives=self._choices,
            folded=self.folded,
        )

    def _choices(self) -> tuple[ProgramChoice, ...]:
        """What other gradients and extra bits would take; nothing in float32."""
        return self.options.gradients() if self.options else ()

    def choices(self) -> tuple[ProgramChoice, ...]:
        """What each other option that needs less would take, each planned anew."""
        return self.options.single() if self.options else ()

    def write(
        self,
        folder: str | Path,
        *,
        any_batch: bool = False,
        sections: Mapping[str, str] | None = None,
    ) -> Path:
        """Write the C project; or for a target with a runtime its models, packages or WebAssembly
        module, and what is needed to use them; all of its files, or none.

        An example file (main.c, CMakeLists.txt) that somebody changed stays as it is, with a
        warning.  Raises FileError when the folder cannot be written.

        any_batch: whether the models of the target onnx take any number of examples; the network
        is compiled for two other batches then, and must be a torch.nn.Module
        sections: the linker section of the "arena", the "state" and the "weights", of those that
        the firmware places itself: {"arena": ".dtcm"}.  The report and the devices of `build` have
        one RAM and one Flash, so it changes nothing there.  Raises TargetError.
        """
        if sections_of(sections) and self.target.runtime:
            raise TargetError(
                f"target {self.target.name!r} writes no C, so it has no sections; leave them out"
            )
        if any_batch:
            if self.target.runtime != "onnxruntime":
                raise TargetError(
                    f"target {self.target.name!r} has one batch size; compile for target='onnx'"
                )
            return write_models(self, Path(folder), self._sizes())
        if self.target.runtime:
            return WRITERS[self.target.runtime](self, Path(folder))
        project.check(Path(folder), self.prefix)
        if kept := write_project(self, Path(folder), stack=self.stack, sections=sections):
            warnings.warn(project.advice(kept, Path(folder)), stacklevel=2)
        return Path(folder)

    def _sizes(self) -> list[Program]:
        """The program for other batches."""
        if self.options is None or self.options.batch is None:
            raise UnsupportedError(
                "any_batch needs a network that can be compiled for other batches: pass a "
                "torch.nn.Module and an example to trainlet.compile"
            )
        return [self.options.program(replace(self.options.own, batch=size)) for size in SIZES]

    def build(self, device: str = "host", count: bool = True) -> Trainer:
        """Compile and start it on "host", "sanitized" (host with ASan and UBSan), "unicorn" or
        "qemu"; for the target wasm on "node"; for the target onnx on "onnxruntime"; for the targets
        cpu and cuda on "eager", "inductor" or "torch.compile".

        `count=False` emulates faster and counts no instructions.
        """
        return build_trainer(self, device, count)

    def profile(self, device: str | None = None, cycles: bool = False) -> Profile:
        """Where the instructions and the bytes of a step go, counted on "unicorn" or "qemu" (None:
        the first of them that knows the core).

        cycles: also estimate cycles, with llvm-mca, which must be installed (cortex-m4, cortex-m7,
        cortex-m33; cortex-m55 with LLVM 16).
        """
        return profile(self, self.report, device, cycles)

    def _won(self) -> int:
        return self.recomputation.arena_without - self.plan.arena if self.recomputation else 0

    def _every_order(self) -> int | None:
        known = [plan.every_order for plan in (stage.plan for stage in self.planned)]
        bounds = [bound for bound in known if bound is not None]
        return max(bounds) if len(bounds) == len(known) else None

    @cached_property
    def stack(self) -> int | None:
        """Bytes of a call's worst case; None where nothing can measure it."""
        try:
            return self.firmware.stack_bytes if self.firmware else None
        except (ToolchainError, TargetError):
            return None

    @cached_property
    def firmware(self) -> Firmware | None:
        """What the project is as firmware, measured; None on this machine."""
        if self.target.cpu is None:
            return None
        stage("measure")
        with tempfile.TemporaryDirectory(prefix="trainlet-") as work:
            sources = Path(work) / self.prefix
            write_project(self, sources)
            return build_firmware(sources, interface_of(self), self.target, Path(work) / "elf")
