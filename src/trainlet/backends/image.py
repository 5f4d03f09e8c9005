"""A linked ELF: its segments with their addresses, its section sizes, its functions and its
code."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection


@dataclass(frozen=True)
class Image:
    """Addresses of functions come without the Thumb bit; `functions` are sorted by address."""

    segments: tuple[tuple[int, bytes], ...]  # (load address, bytes)
    sections: dict[str, int]  # name -> bytes in memory
    functions: tuple[tuple[int, str], ...]
    symbols: dict[str, int] = field(repr=False)
    code: tuple[tuple[int, bytes], ...] = field(repr=False)  # Thumb instructions, no literals

    def function_at(self, address: int) -> str:
        """The name of the function around an address."""
        k = bisect_right(self.functions, (address, "\uffff")) - 1
        return self.functions[k][1] if k >= 0 else "?"

    def size(self, *names: str) -> int:
        return sum(self.sections.get(name, 0) for name in names)


def read_image(path: Path) -> Image:
    """Read what pyelftools finds; the file is closed again."""
    with path.open("rb") as file:
        elf = ELFFile(file)
        table = elf.get_section_by_name(".symtab")
        symbols = list(table.iter_symbols()) if isinstance(table, SymbolTableSection) else []
        functions: dict[int, str] = {}
        for symbol in symbols:
            if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_shndx"] != "SHN_UNDEF":
                functions.setdefault(symbol["st_value"] & ~1, symbol.name)
        return Image(
            segments=tuple(
                (segment["p_paddr"], segment.data())
                for segment in elf.iter_segments()
                if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]
            ),
            sections={
                section.name: section["sh_size"]
                for section in elf.iter_sections()
                if section["sh_flags"] & SH_FLAGS.SHF_ALLOC
            },
            functions=tuple(sorted(functions.items())),
            symbols={symbol.name: symbol["st_value"] for symbol in symbols},
            code=tuple(code_ranges(elf, symbols)),
        )


def code_ranges(elf: ELFFile, symbols: list) -> list[tuple[int, bytes]]:
    """The stretches of Thumb code: the mapping symbols $t and $d tell code from literals."""
    ranges = []
    for index, section in enumerate(elf.iter_sections()):
        if not section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR:
            continue
        base, data = section["sh_addr"], section.data()
        marks = sorted(
            (symbol["st_value"], symbol.name[:2])
            for symbol in symbols
            if symbol["st_shndx"] == index and symbol.name[:2] in ("$t", "$d", "$a")
        )
        ends = [start for start, _ in marks[1:]] + [base + len(data)]
        for (start, kind), end in zip(marks, ends, strict=True):
            if kind == "$t" and start < end:
                ranges.append((start, data[start - base : end - base]))
    return ranges
