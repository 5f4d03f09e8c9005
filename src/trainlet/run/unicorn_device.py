"""Firmware under Unicorn: only the target's RAM and Flash exist, any other access ends the run.

Emulation pauses when the firmware wants to read and nothing was sent.
"""

from __future__ import annotations

import struct
from typing import Any

import unicorn
from unicorn import Uc, UcError, arm_const  # pyright: ignore[reportPrivateImportUsage]

from trainlet.backends.firmware import Firmware
from trainlet.backends.image import Image, read_image
from trainlet.errors import DeviceFault, TargetError
from trainlet.interrupt import interrupt_afterwards
from trainlet.run.commands import Clock, CommandDevice
from trainlet.run.counter import Counter, Weights

SYSTEM = 0xE000E000  # the core's own registers; the emulator ignores them
PAGE = 0x1000
TICKS = 0x18  # the counter's offset in the timer block
BREAKPOINT = 7  # Unicorn's number of the exception that BKPT raises
SEMIHOSTING = 0xBEAB  # bkpt 0xAB
OPEN, WRITE, READ = 1, 5, 6  # semihosting operations
CLOCK = Clock(hz=1_000_000, ticks_per_instruction=1)
PC, SP, R0, R1 = (getattr(arm_const, f"UC_ARM_REG_{name}") for name in ("PC", "SP", "R0", "R1"))
ACCESS = {
    unicorn.UC_MEM_READ_UNMAPPED: "read outside RAM and Flash",
    unicorn.UC_MEM_WRITE_UNMAPPED: "write outside RAM and Flash",
    unicorn.UC_MEM_FETCH_UNMAPPED: "jump outside Flash",
    unicorn.UC_MEM_WRITE_PROT: "write to Flash",
    unicorn.UC_MEM_FETCH_PROT: "jump into RAM",
}


class UnicornLink:
    """The emulated core; bytes sent wait in `_inbox` until the firmware reads them."""

    def __init__(
        self, firmware: Firmware, count: bool, timeout: float, weights: Weights | None
    ) -> None:
        cpu = firmware.cpu
        if cpu.unicorn is None:
            raise TargetError(f"Unicorn does not emulate {cpu.name}; use QEMU")
        self._firmware = firmware
        self._image: Image = read_image(firmware.elf)
        self._timeout = timeout
        self._inbox = bytearray()
        self._outbox = bytearray()
        self._ended: str | None = None
        self._paused = False
        self._core: Any = Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self._core.ctl_set_cpu_model(getattr(arm_const, cpu.unicorn))
        self._map()
        flash = firmware.target.flash or 0
        self._counter = Counter(self._core, cpu.flash, flash, weights) if count else None
        self.clock = CLOCK if count else None
        self._core.hook_add(unicorn.UC_HOOK_INTR, self._on_exception)
        self._core.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_bad_access)
        stack, self._pc = struct.unpack("<II", self._core.mem_read(cpu.vectors, 8))
        self._core.reg_write(SP, stack)

    def _map(self) -> None:
        cpu, target = self._firmware.cpu, self._firmware.target
        run, data = unicorn.UC_PROT_EXEC | unicorn.UC_PROT_READ, unicorn.UC_PROT_WRITE
        self._core.mem_map(cpu.flash, target.flash, run)
        self._core.mem_map(cpu.ram, target.ram, unicorn.UC_PROT_READ | data)
        self._core.mem_map(SYSTEM, PAGE, unicorn.UC_PROT_READ | data)
        self._core.mmio_map(cpu.timer & -PAGE, PAGE, self._on_timer, None, None, None)
        for address, content in self._image.segments:
            self._core.mem_write(address, content)

    def send(self, data: bytes) -> None:
        self._inbox += data

    def receive(self, size: int) -> bytes:
        while len(self._outbox) < size:
            self._run()
        data = bytes(self._outbox[:size])
        del self._outbox[:size]
        return data

    def close(self) -> None:
        self._ended = self._ended or "the device is closed; create a new one"
        self._core = self._counter = None

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """Address and size of every block of code that has run."""
        return self._counter.blocks if self._counter else []

    def _run(self) -> None:
        """Run until the firmware waits for more bytes than were sent."""
        if self._ended:
            raise DeviceFault(self._ended)
        if self._paused and not self._inbox:
            raise DeviceFault("the firmware waits for more bytes than its command has")
        self._paused = False
        try:
            with interrupt_afterwards():
                self._core.emu_start(self._pc | 1, 0xFFFFFFFE, timeout=int(self._timeout * 1e6))
        except UcError as error:
            self._ended = self._ended or self._where(f"stopped by {error}")
        if not (self._ended or self._paused):
            self._ended = self._where(f"no answer within {self._timeout} s")
        if self._ended:
            raise DeviceFault(self._ended)

    def _where(self, what: str) -> str:
        pc, sp = self._core.reg_read(PC), self._core.reg_read(SP)
        return f"{what}, in {self._image.function_at(pc)} (pc {pc:#010x}, sp {sp:#010x})"

    def _on_timer(self, core: Any, offset: int, size: int, data: Any) -> int:
        """The timer block: its counter counts instructions, and another one seconds of them."""
        count = self._counter.count if self._counter else 0
        ticks = offset == self._firmware.cpu.timer % PAGE + TICKS
        return count % 2**32 if ticks else count // CLOCK.hz

    def _on_bad_access(
        self, core: Any, access: int, address: int, size: int, value: int, data: Any
    ) -> bool:
        target, low = self._firmware.target, self._firmware.cpu.ram
        what = f"{ACCESS.get(access, 'bad access')} at {address:#010x} on '{target.name}'"
        if low - (1 << 20) <= address < low:
            what += ", just below the stack (it overflowed: raise Target.stack)"
        self._ended = self._where(what)
        return False

    def _on_exception(self, core: Any, number: int, data: Any) -> None:
        pc = core.reg_read(PC)
        if number != BREAKPOINT or self._half(pc) != SEMIHOSTING:
            self._ended = self._where(f"exception {number}")
            core.emu_stop()
            return
        operation, at = core.reg_read(R0), core.reg_read(R1)
        if operation not in (OPEN, READ, WRITE):
            self._ended = self._where(f"the firmware ended (operation {operation:#x})")
            core.emu_stop()
            return
        _, address, size = struct.unpack("<3I", core.mem_read(at, 12))
        left = 0
        if operation == OPEN:
            left = 1  # any handle will do
        elif operation == READ:
            if not self._inbox:
                self._paused, self._pc = True, pc  # comes back to this very instruction
                core.emu_stop()
                return
            data = bytes(self._inbox[:size])
            core.mem_write(address, data)
            del self._inbox[:size]
            left = size - len(data)
        else:
            self._outbox += core.mem_read(address, size)
        core.reg_write(R0, left)
        core.reg_write(PC, pc + 2 | 1)

    def _half(self, address: int) -> int:
        return int.from_bytes(self._core.mem_read(address, 2), "little")


class UnicornDevice(CommandDevice):
    """A firmware under Unicorn.  `count=False` is faster and leaves `instructions` None.

    weights: what counts in place of instructions.
    """

    def __init__(
        self,
        firmware: Firmware,
        count: bool = True,
        timeout: float = 600,
        weights: Weights | None = None,
    ) -> None:
        self.link = UnicornLink(firmware, count, timeout, weights)
        super().__init__(self.link, firmware.interface)
