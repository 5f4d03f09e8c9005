"""A network as Python source, a line a value: it can be read, run alone, and made smaller."""

from __future__ import annotations

import linecache
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fuzz.networks import lively

Shape = tuple[int, ...]
NAMES = {"torch": torch, "nn": nn, "F": F}
VALUE, PART = re.compile(r"\b[vx]\d+\b"), re.compile(r"\bself\.(\w+)")


@dataclass(frozen=True)
class Line:
    """`text` makes the value `name` of earlier values and of parts of the module."""

    name: str
    text: str

    @property
    def reads(self) -> list[str]:
        return [name for name in dict.fromkeys(VALUE.findall(self.text)) if name != self.name]

    @property
    def uses(self) -> list[str]:
        return PART.findall(self.text)

    def reading(self, old: str, new: str) -> Line:
        return Line(self.name, re.sub(rf"\b{old}\b", new, self.text))


@dataclass(frozen=True)
class Recipe:
    """inputs: shapes, the batch included; parts: attribute -> the statement that makes it;
    result: the value that the head reads; head: "linear" (with `classes`), "none" or "sigmoid"."""

    inputs: tuple[Shape, ...]
    lines: tuple[Line, ...]
    parts: Mapping[str, str]
    result: str
    head: str = "linear"
    classes: int = 3
    features: int = field(default=0)

    def needed(self) -> Recipe:
        """Without lines and parts that nothing reads."""
        wanted, kept = {self.result}, []
        for line in reversed(self.lines):
            if line.name in wanted:
                wanted |= set(line.reads)
                kept.append(line)
        used = {part for line in kept for part in line.uses}
        parts = {name: text for name, text in self.parts.items() if name in used}
        return self.but(lines=tuple(reversed(kept)), parts=parts)

    def but(self, **changes: object) -> Recipe:
        return Recipe(**{**self.__dict__, **changes})  # type: ignore[arg-type]

    def source(self) -> str:
        """The class `Net`."""
        own = self.needed()
        head = [f"self.head = nn.Linear({self.features}, {self.classes})"]
        made = [*own.parts.values(), *(head if self.head == "linear" else [])]
        flat = f"{self.result}.flatten(1)"
        last = {"linear": f"self.head({flat})", "none": flat, "sigmoid": f"{flat}.sigmoid()"}
        indent = "\n        "
        takes = ", ".join(["self", *(f"x{k}" for k in range(len(self.inputs)))])
        return (
            "class Net(nn.Module):\n    def __init__(self):"
            + indent
            + indent.join(["super().__init__()", *made])
            + f"\n\n    def forward({takes}):"
            + indent
            + indent.join([*(line.text for line in own.lines), f"return {last[self.head]}"])
            + "\n"
        )

    def network(self) -> type[nn.Module]:
        return compiled(self.source())

    def fitted(self) -> Recipe:
        """With the features that the head finds; raises what torch raises where shapes clash."""
        own = self.but(head="none")
        with torch.no_grad():
            result = own.network()().eval()(*(torch.zeros(shape) for shape in self.inputs))
        if result.ndim != 2 or not result.shape[1]:
            raise ValueError(f"a result of shape {tuple(result.shape)}")
        return self.but(features=result.shape[1])


def compiled(source: str) -> type[nn.Module]:
    """The class of a source, whose lines errors can show."""
    file = f"<network {abs(hash(source)):x}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    made: dict[str, type[nn.Module]] = {}
    exec(compile(source, file, "exec"), dict(NAMES), made)
    return made["Net"]


def seeded(network: type[nn.Module], seed: int) -> nn.Module:
    """In evaluation mode, with the values of a seed; norms are not the identity."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return lively(network())


def evaluated(text: str, parts: Mapping[str, str], values: Mapping[str, Tensor], name: str):
    """The value of one line, the others' known."""
    source = (
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        + "".join(f"        {part}\n" for part in parts.values())
        + f"    def forward(self, {', '.join(values)}):\n        {text}\n        return {name}\n"
    )
    with torch.no_grad():
        return compiled(source)().eval()(*values.values())
