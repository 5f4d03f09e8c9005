"""The C of a loop: a `for` over the calls of its body."""

from __future__ import annotations

from hashlib import sha1
from textwrap import fill

from trainlet.ir.graph import Node
from trainlet.ops.literal import literal
from trainlet.ops.op import OPS
from trainlet.ops.repeat.loop import LAST, STATES, Loop, Slots
from trainlet.ops.repeat.placement import NEXT, WORK, Home, aligned, place

_CTYPES = {"float32": "float", "int32": "int32_t", "int16": "int16_t", "int8": "int8_t",
           "uint8": "uint8_t"}  # fmt: skip
_NAME = "k_repeat"


def operations(n: Node) -> list[Node]:
    """The operations of a turn."""
    loop = Loop.of(n.attrs)
    return [m for m in loop.values[len(loop.body.inputs) :] if not OPS[m.op].alias]


def called(n: Node) -> list[Node]:
    """The operations whose kernels are called: what is laid side by side may need none."""
    beside = place(Loop.of(n.attrs)).beside
    return [m for m in operations(n) if m not in beside]


def work_bytes(n: Node) -> int:
    """Of the values that live for one turn, or from one turn to the next."""
    return place(Loop.of(n.attrs)).size


def kernel_name(n: Node) -> str:
    """Loops whose text is the same share a kernel."""
    return f"repeat_{sha1(_text(n).encode()).hexdigest()[:8]}"


def kernel_source(n: Node) -> str:
    """The text of the loop's kernel."""
    return _text(n).replace(f"{_NAME}(", f"k_{kernel_name(n)}(", 1)


def _text(n: Node) -> str:
    return _Writer(Loop.of(n.attrs), [i.type.dtype for i in n.inputs]).text()


def _sum(pointer: str, first: int, advance: int = 0) -> str:
    text = pointer + (f" + {first}" if first else "")
    return text + (f" {'-' if advance < 0 else '+'} turn * {abs(advance)}" if advance else "")


class _Writer:
    """The text of one loop."""

    def __init__(self, loop: Loop, kinds: list[str]) -> None:
        self.loop, self.kinds, self.placed = loop, kinds, place(loop)
        self.number = {n: k for k, n in enumerate(loop.values)}

    def text(self) -> str:
        parameters = [f"{_CTYPES[self.loop.result.dtype]} *y"]
        parameters += [f"const {_CTYPES[kind]} *x{k}" for k, kind in enumerate(self.kinds)]
        parameters += ["uint8_t *work"] if self.placed.size else []
        steps = [n for n in self.loop.values[len(self.loop.body.inputs) :] if not OPS[n.op].alias]
        names = ", ".join(n.op for n in steps)
        head = [
            '#include "kernel.h"',
            "#include <string.h>",
            fill(f"/* {self.loop.count} turns of {names} */", 96, subsequent_indent=" * "),
            fill(f"KERNEL void {_NAME}({', '.join(parameters)}) {{", 96, subsequent_indent="    "),
        ]
        body = [line for n in steps for line in self.call(n)]
        body += [self.copy(self.target(home, n.type.dtype), n) for n, home in self.placed.copies]
        return "\n".join(
            [
                *head,
                *(f"  {line}" for line in self.begins()),
                f"  for (int turn = 0; turn < {self.loop.count}; turn++) {{",
                *(fill(line, 96, initial_indent="    ", subsequent_indent="        ")
                  for line in body),
                "  }",
                *(f"  {line}" for line in self.ends()),
                "}\n",
            ]
        )  # fmt: skip

    def begins(self) -> list[str]:
        """The first value of each state."""
        lines = []
        for k in range(self.loop.body.states):
            state = self.loop.values[k].type
            if k in self.loop.stacked:
                where = self.slot(self.loop.slots[STATES, k], self.loop.initial)
            else:
                where = self.pair(k, 0)
            if k in self.loop.zeros:
                lines.append(f"for (int e = 0; e < {state.size}; e++) ({where})[e] = 0;")
            else:
                lines.append(f"memcpy({where}, x{self.loop.position[k]}, {state.nbytes});")
        return lines

    def ends(self) -> list[str]:
        """The last value of each state that is a result by itself."""
        lines = []
        for k in self.loop.last:
            if k in self.loop.stacked:
                source = self.slot(self.loop.slots[STATES, k], self.loop.final)
            else:
                source = self.pair(k, self.loop.count % 2)
            target, nbytes = self.slot(self.loop.slots[LAST, k], 0), self.loop.values[k].type.nbytes
            lines.append(f"memcpy({target}, {source}, {nbytes});")
        return lines

    def pair(self, k: int, which: int | str) -> str:
        """One of the two slots of a state that is not stacked."""
        state = self.loop.values[k].type
        step = aligned(state.nbytes)
        start = self.placed.pairs[k]
        if isinstance(which, int):
            return self.work(start + which * step, state.dtype)
        return self.work(start, state.dtype, f" + {which} * {step}")

    def work(self, start: int, kind: str, more: str = "") -> str:
        if kind == "uint8":
            return f"work + {start}{more}"
        return f"({_CTYPES[kind]} *)(void *)(work + {start}{more})"

    def slot(self, slots: Slots, which: int) -> str:
        """One of the slots of the result."""
        return self.among_bytes(_sum("y", slots.start + which * slots.step), slots)

    def among_bytes(self, where: str, slots: Slots) -> str:
        """A place in the result as a pointer to elements."""
        kind = slots.type.dtype
        if self.loop.result.dtype == kind:
            return where
        return f"({_CTYPES[kind]} *)(void *)({where})"

    def turns_slot(self, slots: Slots, first: int, shift: int = 0) -> str:
        """The slot of this turn, of which that of slice 0 is the `first`; elements behind its
        beginning."""
        mixed = self.loop.result.dtype != slots.type.dtype
        start = slots.start + first * slots.step + (0 if mixed else shift)
        where = self.among_bytes(self.sliced("y", start, slots.step), slots)
        return where + (f" + {shift}" if mixed and shift else "")

    def sliced(self, pointer: str, start: int, size: int) -> str:
        """Slot by slot from the first turn's on."""
        if self.loop.reverse:
            return _sum(pointer, start + (self.loop.count - 1) * size, -size)
        return _sum(pointer, start, size)

    def target(self, home: Home, dtype: str = "float32") -> str:
        """Where a value of this turn is written."""
        kind, k, shift = home
        if kind == WORK:
            return self.work(k, dtype) + (f" + {shift}" if shift else "")
        if kind == NEXT:
            return self.pair(k, "(~turn & 1)") + (f" + {shift}" if shift else "")
        first = self.loop.after if kind == STATES else 0
        return self.turns_slot(self.loop.slots[kind, k], first, shift)

    def pointer(self, n: Node) -> str:
        """Where a value lies."""
        if not n.is_leaf and OPS[n.op].alias:
            return _sum(self.pointer(n.inputs[0]), OPS[n.op].window(n) or 0)
        if n in self.placed.home:
            return self.target(self.placed.home[n], n.type.dtype)
        k, size = self.number[n], n.type.size
        if k in self.loop.sliced:
            return self.sliced(f"x{self.loop.position[k]}", 0, size)
        if k in self.loop.fixed:
            return f"x{self.loop.position[k]}"
        if k not in self.loop.stacked:
            return self.pair(k, "(turn & 1)")
        return self.turns_slot(self.loop.slots[STATES, k], self.loop.before)

    def call(self, n: Node) -> list[str]:
        """The operation's call; what is laid side by side may be there already."""
        if n in self.placed.beside:
            there, lines = self.placed.home[n], []
            for i, shift in self.placed.beside[n]:
                target = self.target(there._replace(shift=there.shift + shift), i.type.dtype)
                lines.append(self.copy(target, i))
            return lines
        op = OPS[n.op]
        absent = ["0"] * (op.pointers - len(n.inputs))
        scratch = [f"work + {self.placed.scratch[n]}"] if n in self.placed.scratch else []
        literals = [literal(v) for v in op.call(n)]
        pointers = map(self.pointer, (n, *n.inputs))
        arguments = ", ".join([*pointers, *absent, *scratch, *literals])
        return [f"k_{op.kernel(n)}({arguments});"]

    def copy(self, target: str, n: Node) -> str:
        return f"memcpy({target}, {self.pointer(n)}, {n.type.nbytes});"
