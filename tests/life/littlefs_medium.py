"""Files of littlefs, written as trainlet_littlefs.c writes them; its blocks lose their power."""

from __future__ import annotations

import ctypes as c
from collections.abc import Callable
from typing import Any

from life.library import SYNC, UNIT
from life.media import FULL, Flash

BLOCK, BLOCKS = 256, 64


class LittleFS(Flash):
    def __init__(self, sectors: int, sector: int) -> None:
        super().__init__(sectors, sector, UNIT)
        import littlefs
        import littlefs.lfs

        medium = self

        class Context(littlefs.UserContext):
            def prog(self, cfg: Any, block: int, off: int, data: bytes) -> int:
                done = medium.steps(len(data))
                at = block * cfg.block_size + off
                self.buffer[at : at + done] = data[:done]
                return -5 if done < len(data) else 0

            def erase(self, cfg: Any, block: int) -> int:
                done = medium.steps(1)
                return super().erase(cfg, block) if done else -5

        self.littlefs, self.lfs, self.context = littlefs, littlefs.lfs, Context(BLOCK * BLOCKS)
        self.mount(mount=False).format()
        self.disk = self.mount()
        self.driver.sync = SYNC(self.sync)
        self.open: Any = None

    def mount(self, mount: bool = True) -> Any:
        return self.littlefs.LittleFS(
            context=self.context, block_size=BLOCK, block_count=BLOCKS, mount=mount
        )

    def sync(self, _: Any = None) -> int:
        file, self.open = self.open, None
        return self.attempt(lambda: self.lfs.file_close(self.disk.fs, file[1])) if file else 0

    def attempt(self, act: Callable[[], Any]) -> int:
        """0 if it worked and the power is still on; without power nothing is tried."""
        try:
            if self.power > 0:
                act()
        except self.littlefs.LittleFSError:
            return -1
        return -(self.power <= 0)

    def opened(self, number: int, mode: str) -> Any:
        if not self.open or self.open[0] != (number, mode):
            if self.sync():
                raise self.littlefs.LittleFSError(-5)
            name = f"trainlet.{number:08x}"
            self.open = ((number, mode), self.lfs.file_open(self.disk.fs, name, mode))
        return self.open[1]

    def erase(self, _: Any, number: int) -> int:
        return self.attempt(lambda: self.opened(number, "wb")) or self.sync()

    def program(self, _: Any, number: int, offset: int, data: int, size: int) -> int:
        def act() -> None:
            file = self.opened(number, "rb+")
            self.lfs.file_seek(self.disk.fs, file, offset, 0)
            self.lfs.file_write(self.disk.fs, file, c.string_at(data, size))

        return self.attempt(act)

    def read(self, _: Any, number: int, offset: int, data: int, size: int) -> int:
        found = b""

        def act() -> None:
            nonlocal found
            file = self.opened(number, "rb")
            self.lfs.file_seek(self.disk.fs, file, offset, 0)
            found = self.lfs.file_read(self.disk.fs, file, size)

        failed = self.attempt(act) or self.sync()
        if failed or len(found) != size:
            return -1
        c.memmove(data, found, size)
        return 0

    def restart(self) -> None:
        self.power, self.open = FULL, None
        self.disk = self.mount()
