"""Writes the reference of the C API from the template of trainer.h and from the libraries' headers.

    python docs/scripts/c_api.py            writes docs/reference/c-api.md

A test compares the page with the template; the page of the libraries is made with the site.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from textwrap import dedent
from typing import Any

from jinja2 import ChainableUndefined, Environment, PackageLoader

from trainlet.backends.sections import attributes, sections_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "c-api.md"
LIBRARIES = ROOT / "src" / "trainlet" / "life" / "c"

X: dict[str, Any] = {
    "name": "x", "ctype": "float", "count": "N", "shape": "the shape of x", "meaning": "",
    "below": 0, "row": "N", "parameter": "const float *x",
}  # fmt: skip
LOGITS = {"name": "logits", "ctype": "float", "count": "N", "shape": "batch x classes"}
TARGET = {"name": "target", "ctype": "int32_t", "count": "N", "meaning": "labels 0..classes-1"}
PLAIN: dict[str, Any] = {
    "made": "", "p": "trainer", "P": "TRAINER", "ram": "N", "memory": "N", "arena": "N",
    "state_bytes": "N", "flag_bytes": "N", "blob_bytes": "N", "stack": "N", "given": [X],
    "inputs": [X], "outputs": [LOGITS], "targets": [TARGET], "quantised": [], "streamed": None,
    "parameters": "const float *x", "output_parameters": "float *logits",
    "target_parameters": "const int32_t *target, ", "anchors": [], "observes": False,
    "selects": False, "staged": True, "placed": attributes(sections_of(None)),
    "diverged": "the loss is not finite, or an update overflows; nothing was changed",
}  # fmt: skip


class Letter(int):
    """A number that a template formats, and whose value a page does not know."""

    def __format__(self, spec: str) -> str:
        return "N"


INT8 = {"name": "x", "scale": "S", "zero": "Z", "input": True}
ROWS = {"parameters": "trainer_rows x, void *context", "inputs": [], "streamed": X}
FRONT = {"bytes": "N", "type": "the features of a batch", "macs": Letter()}
OPTIONS = {
    'An int8 network (`precision="int8"`)': {"quantised": [INT8]},
    "The input in rows (`stream`)": ROWS,
    "A head for new classes (`tl.adapt.cosine_head`)": {"observes": True},
    "The frozen front as a call of its own (`--features`)": {"front": FRONT},
    "Few-shot training on the device (`--few-shot`)": {"selects": True},
    "A proximal term in the loss (`tl.Proximal`)": {"anchors": [X]},
}

COMMENT = re.compile(r"/\*(.*?)\*/", re.DOTALL)
DEFINE = re.compile(r"^#define (\w+)(?: ([^/\n]*?))?\s*(?:/\*(.*?)\*/)?\s*$")
SETTINGS = re.compile(r"^/\*((?:(?!\*/).)*)\*/\n((?:#.*\n)+)", re.DOTALL | re.MULTILINE)
CONTINUED = re.compile(r"^#define (?:.*\\\n)+.*\n", re.MULTILINE)
MEMBER = re.compile(r"^\s*(\w+) = (-?\d+),?\s*(?:/\*(.*?)\*/)?")


@dataclass(frozen=True)
class Item:
    """One declaration: what it is called, its C text, and the comment that explains it."""

    name: str
    text: str
    says: str


def words(comment: str) -> str:
    """The text of a comment, without stars; paragraphs stay."""
    lines = [
        re.sub(r"(?<=[.:]) {2}", " ", re.sub(r"^\s*\*? ?", "", line)).rstrip()
        for line in comment.strip().splitlines()
    ]
    return "\n".join(lines).strip()


def escaped(text: str) -> str:
    """As Markdown: names of C as code, and no character that means something else."""
    text = text.replace("<", "&lt;").replace("|", "\\|")
    return re.sub(r"(?<![`\w])(\w*(?:trainer|trainlet|TRAINER|TRAINLET)_\w+)", r"`\1`", text)


def macros(header: str) -> list[Item]:
    """The macros of sizes and settings that have a meaning in a comment, or a value."""
    found = (DEFINE.match(line) for line in header.splitlines())
    return [Item(m[1], m[2] or "", (m[3] or "").strip()) for m in found if m and (m[2] or m[3])]


def statuses(header: str) -> list[Item]:
    """The status codes."""
    found = (MEMBER.match(line) for line in header.splitlines())
    return [Item(m[1], m[2], (m[3] or "").strip()) for m in found if m]


def settings(header: str) -> list[Item]:
    """The macros that a firmware may define, with the comment that they share."""
    found = []
    for m in SETTINGS.finditer(header[header.index('extern "C"') :]):
        names = re.findall(r"^#ifndef (\w+)", m[2], re.MULTILINE)
        found += [Item(name, "", " ".join(words(m[1]).split())) for name in names]
    return found


def declarations(header: str) -> Iterator[Item]:
    """Functions and types with the comment before them, in their order."""
    body = CONTINUED.sub("", re.split(r'extern "C" \{|#define TRAINLET_\w+_H\n', header)[-1])
    body = re.sub(r"^#if.*?^#endif$", "", body, flags=re.DOTALL | re.MULTILINE)
    says, depth, text = "", 0, ""
    for part in re.split(r"(?<=\n)(?=/\*)|\n\n", body):
        comment = COMMENT.match(part)
        if not depth:
            says = words(comment[1]) if comment else ""
        for line in (part[comment.end() :] if comment else part).splitlines():
            if line.startswith(("#", 'extern "C"')) or not line or (line == "}" and not depth):
                continue
            text += line + "\n"
            depth += line.count("{") - line.count("}")
            if depth or not re.search(r"[;}]\s*(/\*.*\*/)?$", line):
                continue
            if not text.startswith("enum"):
                yield Item(_name(text), _signature(text), says)
            says, text = "", ""


def _name(text: str) -> str:
    if text.startswith("typedef"):
        pointer = None if "struct" in text else re.search(r"\(\*(\w+)\)", text)
        return pointer[1] if pointer else re.findall(r"(\w+);", text)[-1]
    return re.findall(r"(\w+)\(", text)[0]


def _signature(text: str) -> str:
    """Of an inline function only what a caller needs."""
    return re.sub(r" \{\n.*", ";", text, flags=re.DOTALL) if text.startswith("static") else text


def trainer(**options: Any) -> str:
    """A trainer.h whose sizes are letters; what an option of the compiler adds is left out."""
    loader = PackageLoader("trainlet.backends", "templates")
    environment = Environment(loader=loader, undefined=ChainableUndefined)
    return environment.get_template("trainer.h.jinja").render(PLAIN | options)


def section(item: Item, level: str = "###") -> str:
    explained = f"\n{escaped(item.says)}\n" if item.says else ""
    return f"{level} `{item.name}`\n\n```c\n{item.text.strip()}\n```\n{explained}\n"


def table(head: str, items: list[Item]) -> str:
    rows = "".join(
        f"| `{i.name}` | {f'`{i.text}`' if i.text else ''} | {escaped(i.says)} |\n" for i in items
    )
    return f"{head}\n|---|---|---|\n{rows}\n"


def page() -> str:
    """The reference of trainer.h."""
    header = trainer()
    known = {i.name for i in [*macros(header), *statuses(header), *declarations(header)]}
    text = [INTRODUCTION, "## Functions\n\n", *(section(i) for i in declarations(header))]
    text += ["## Status codes\n\nEvery function that can fail returns one of these.\n\n",
             table("| name | value | meaning |", statuses(header)),
             "## Macros\n\n`N` stands for the number of your trainer.\n\n",
             table("| name | value | meaning |", macros(header)),
             "## Macros that you may define\n\n", table("| name | | meaning |", settings(header)),
             "## With some options only\n\n"]  # fmt: skip
    for option, changes in OPTIONS.items():
        other = trainer(**changes)
        text.append(f"### {option}\n\n")
        if new := [i for i in macros(other) if i.name not in known]:
            text.append(table("| macro | value | meaning |", new))
        if new := [i for i in statuses(other) if i.name not in known]:
            text.append(table("| status | value | meaning |", new))
        text += [section(i, "####") for i in declarations(other) if i.name not in known]
    return "".join(text).rstrip() + "\n"


def libraries_page() -> str:
    """The reference of the libraries that `trainlet library` writes."""
    text = [LIBRARIES_INTRODUCTION]
    for path in sorted(LIBRARIES.glob("*.h")):
        header = path.read_text()
        about = words(COMMENT.findall(header)[1])
        text.append(f"## {path.name}\n\n{prose(about)}")
        if found := macros(header):
            text.append(table("| macro | value | meaning |", found))
        if found := statuses(header):
            text.append(table("| status | value | meaning |", found))
        text += [section(i) for i in declarations(header)]
    return "".join(text).rstrip() + "\n"


def prose(about: str) -> str:
    """The comment that begins a header: paragraphs, and code where it is indented."""
    text = ""
    for indented, lines in groupby(about.splitlines(), lambda line: line[:1] in ("", " ")):
        part = "\n".join(lines).strip("\n")
        if part:
            text += f"```c\n{dedent(part)}\n```\n\n" if indented else f"{escaped(part)}\n\n"
    return text


INTRODUCTION = """# C API

`python docs/scripts/c_api.py` writes this page from the comments of the template of `trainer.h`.
A test fails where the page is old.

`trainer` is the prefix of every name; `prefix=` and `--prefix` change it. This page shows a
trainer with one input `x`, one output `logits` and integer labels. With other inputs, outputs and
losses the functions have one argument for each: your `trainer.h` shows them. [The C
project](../c-project.md) says how inputs are named and which compiler flags are allowed. [On the
device](../on-the-device.md) has the libraries that keep states and examples, and [C
libraries](c-libraries.md) is their reference.

"""

LIBRARIES_INTRODUCTION = """# C libraries

`trainlet library NAME -o FOLDER` writes these files. They work beside a trainer and need no other
library of Trainlet. [On the device](../on-the-device.md) explains when to use which.

"""

if __name__ == "__main__":
    PAGE.write_text(page())
