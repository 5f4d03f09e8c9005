"""Firmware on one of QEMU's Arm boards; the memory protection unit bounds RAM and Flash.

With `-icount` an instruction takes a fixed virtual time, so the board's counter, which the
firmware reads, gives exact counts.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from trainlet.backends.firmware import Firmware
from trainlet.backends.image import read_image
from trainlet.errors import TargetError, ToolchainError
from trainlet.run.commands import Clock, CommandDevice
from trainlet.run.process import ProcessLink
from trainlet.run.qemu_blocks import LOGGED

QEMU = "qemu-system-arm"
SHIFT = 7  # 2^7 ns an instruction: above two ticks of every board's counter, so counts are exact
FAULT = re.compile(r"FAULT (\w+) cfsr (\w+) mmfar (\w+) bfar (\w+) sp (\w+)")
KINDS = {3: "hard fault", 4: "memory fault", 5: "bus fault", 6: "usage fault", 7: "secure fault"}
JUMP, STACKING, ADDRESS_KNOWN, BUS_ADDRESS_KNOWN = 1, 1 << 4, 1 << 7, 1 << 15  # bits of CFSR
FAULT_CODE = 100


class QemuLink(ProcessLink):
    """One long-lived QEMU."""

    def __init__(
        self, firmware: Firmware, count: bool, timeout: float, log: Path | None = None
    ) -> None:
        cpu, target = firmware.cpu, firmware.target
        if cpu.board is None:
            raise TargetError(f"QEMU has no board for {cpu.name}; use Unicorn")
        if (target.ram or 0) > cpu.board.ram or (target.flash or 0) > cpu.board.flash:
            raise TargetError(
                f"QEMU's board {cpu.board.machine} has {cpu.board.ram} bytes of RAM and "
                f"{cpu.board.flash} of Flash, not enough for target '{target.name}'; use Unicorn"
            )
        qemu = shutil.which(QEMU)
        if qemu is None:
            raise ToolchainError(f"{QEMU} is not on the PATH: install it, or use Unicorn")
        self._firmware = firmware
        command = [qemu, "-M", cpu.board.machine, "-kernel", str(firmware.elf)]
        command += ["-display", "none", "-monitor", "none", "-serial", "none"]
        command += ["-semihosting-config", "enable=on,target=native"]
        command += [*LOGGED, str(log)] if log else []
        clock = None
        if count:
            command += ["-icount", f"shift={SHIFT},sleep=off,align=off"]
            hz = cpu.board.counter_hz
            clock = Clock(hz, ticks_per_instruction=hz * 2**SHIFT / 1e9)
        super().__init__(command, timeout, clock)

    def explain(self, code: int, errors: str) -> str:
        """The registers that the fault handler printed, in words."""
        found = FAULT.search(errors)
        if not found:
            return super().explain(code, errors)
        number, status, memory, bus, stack = (int(word, 16) for word in found.groups())
        target, image = self._firmware.target, read_image(self._firmware.elf)
        what = f"{KINDS.get(number, f'exception {number}')} on '{target.name}'"
        if status & ADDRESS_KNOWN:
            what += f": access at {memory:#010x}, outside RAM and Flash or a write to Flash"
        elif status & BUS_ADDRESS_KNOWN:
            what += f": access at {bus:#010x}, where nothing is"
        elif status & JUMP:
            what += ": jump outside Flash"
        if status & STACKING or stack < image.symbols["stack_limit"]:
            what += "; the stack overflowed: raise Target.stack"
        return f"{what} (cfsr {status:#010x}, sp {stack:#010x})"


class QemuDevice(CommandDevice):
    """A firmware in QEMU.  `count=False` is faster and leaves `instructions` None.

    log: where QEMU writes which blocks of code run (`trainlet.run.qemu_blocks`)
    """

    def __init__(
        self, firmware: Firmware, count: bool = True, timeout: float = 600, log: Path | None = None
    ) -> None:
        super().__init__(QemuLink(firmware, count, timeout, log), firmware.interface)
