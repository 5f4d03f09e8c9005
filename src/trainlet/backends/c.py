"""Program -> C: one call a node, addresses and sizes as literals.  Knows no op by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainlet.backends import kernels, project
from trainlet.backends.arrays import array_text, but_zeros
from trainlet.backends.described import described
from trainlet.backends.front import front_context
from trainlet.backends.header import made, meaning, shape_text
from trainlet.backends.interface import CTYPES, Argument, interface_of
from trainlet.backends.names import check_prefix, comment, leaf_symbols
from trainlet.backends.namespace import own
from trainlet.backends.record import Record, print_record
from trainlet.backends.sections import attributes, sections_of
from trainlet.backends.text import cmake, fill
from trainlet.ir.graph import Node
from trainlet.ir.roles import LOSS, RATE
from trainlet.ir.storage import storage
from trainlet.ops import prototypes
from trainlet.ops.literal import literal
from trainlet.ops.op import OPS
from trainlet.passes.penalize import ANCHORS
from trainlet.planning.blob import VERSION, WITHIN, WORD
from trainlet.planning.buffers import first_byte, in_arena, storage_of
from trainlet.planning.program import APPLY, STEP, Program, Stage
from trainlet.planning.tiles.tile import Band, Fetch, Place, Slide, Tile, TileStep

_POINTER = {"float32": "F32", "int32": "I32", "int16": "I16", "int8": "I8", "uint8": "U8"}
FLOAT_MAX = float(np.finfo(np.float32).max)
MARK = "board_mark"  # of the harness
TRAINING = "if (training) "
OBSERVING = 2
"""`training` of a call that ends when the features are there."""
OWN = "__"
"""Between the prefix and a name that is not part of the C API."""
Wanted = frozenset[Node] | None


class Emitter:
    """The text of one program.  With `marks`, the harness is told where one call ends and the
    next begins, so that it can count between them.

    own, unit: begin the names of what is static; those of the functions of one program with `unit`
    held: the expression of the state
    """

    def __init__(self, program: Program, marks: bool = False, stack: int | None = None) -> None:
        check_prefix(program.prefix)
        self.program, self.stack = program, stack
        self.mark = ["MARK;"] if marks else []
        self.own = self.unit = f"{program.prefix}{OWN}"
        self.held = f"{self.own}state"
        self.inputs = {
            n: a.symbol for n, a in zip(program.inputs, interface_of(program).inputs, strict=True)
        }
        self.outputs = [argument.symbol for argument in interface_of(program).outputs]
        self.state = leaf_symbols(n.name for n in (*program.params, *program.states))
        self.constants = leaf_symbols(n.name for n in program.constants)

    def pointer(self, n: Node, stage: Stage) -> str:
        """Where a node's tensor lies."""
        if in_arena(n):
            return f"{_POINTER[n.type.dtype]}({stage.plan.offset[n]})"
        kept = storage_of(n)
        start = first_byte(n) // np.dtype(n.type.dtype).itemsize
        begins = f" + {start}" if start else ""
        if kept.op in ("const", "seed"):
            return self.weight(kept) + begins
        return f"{self.held}.{self.member(kept)}{begins}"

    def weight(self, n: Node) -> str:
        """The array of a constant."""
        return f"{self.own}frozen_{self.constants[n.name]}"

    def start(self, n: Node) -> str:
        """The array of a trained parameter's first value."""
        return f"{self.own}initial_{self.state[n.name]}"

    def member(self, n: Node) -> str:
        """The field of the state that holds a leaf."""
        return f"p_{self.state[n.name]}"

    def call(self, n: Node, stage: Stage) -> str:
        """The C call of a node: result, inputs, work space, literals."""
        without = OPS[n.op].mutates, OPS[n.op].seed
        inputs = [self.pointer(i, stage) for k, i in enumerate(n.inputs) if k not in without]
        scratch = [f"U8({stage.plan.scratch[n]})"] if n in stage.plan.scratch else []
        return self.written(_called(n, stage), [self.pointer(n, stage), *inputs], scratch)

    def written(self, n: Node, pointers: list[str], scratch: list[str]) -> str:
        """The text of a call; pointers that it does not have are zeros."""
        op = OPS[n.op]
        absent = ["0"] * (op.pointers - (len(pointers) - 1))
        literals = [literal(v) for v in op.call(n)]
        arguments = ", ".join([*pointers, *absent, *scratch, *literals])
        label = f" {comment(n.name)}" if n.name else ""
        return f"{self.own}k_{op.kernel(n)}({arguments});{label}"

    def place(self, place: Place, stage: Stage) -> str:
        """Where rows of a map lie, in a turn of a tile's loop."""
        start = str(stage.plan.offset[place.node] + place.start)
        moves = f" + turn * {place.advance}" if place.advance else ""
        return f"{_POINTER[place.node.type.dtype]}({start}{moves})"

    def tile(self, tile: Tile, stage: Stage, wanted: Wanted = None) -> list[str]:
        """Loops over the rows of a tile."""
        lines: list[str] = []
        for loop in tile.loops:
            body: list[str] = []
            for step in loop.body:
                when = _when(step.node, wanted) if isinstance(step, Band) else ""
                body += [*self.mark, when + self.row_call(step, stage)]
            many = loop.times > 1
            lines += [f"for (int turn = 0; turn < {loop.times}; turn++) {{"] if many else []
            lines += [f"  {line}" if many else line for line in body]
            lines += ["}"] if many else []
        return lines

    def row_call(self, step: TileStep, stage: Stage) -> str:
        if isinstance(step, Slide):
            start = f"{self.own}arena + {stage.plan.offset[step.node]}"
            return f"{self.own}slide({start}, {step.start}, {step.size});"
        if isinstance(step, Fetch):
            return self.fetch(step, stage)
        inputs = zip(step.call.inputs, step.inputs, strict=True)
        where = [self.place(p, stage) if p else self.pointer(i, stage) for i, p in inputs]
        scratch = [f"U8({at})"] if (at := stage.plan.scratch.get(step.node)) is not None else []
        return self.written(step.call, [self.place(step.result, stage), *where], scratch)

    def fetch(self, step: Fetch, stage: Stage) -> str:
        """Rows of the streamed input; what is no number ends the call before anything learns."""
        where = self.place(Place(step.node, step.start), stage)
        first = str(step.first) + (f" + turn * {step.advance}" if step.advance else "")
        size = step.rows * step.node.type.size // step.node.type.shape[1]
        bad = f"{self.inputs[step.node]}(context, {first}, {step.rows}, {where})"
        if step.node.type.dtype == "float32":
            bad += f" || !{self.own}finite({where}, {size})"
        return f"if ({bad}) return {self.program.prefix.upper()}_ERROR_INPUT;"

    def calls(self, steps: Iterable[Node | Tile], stage: Stage, wanted: Wanted = None) -> list[str]:
        """wanted: the nodes that a prediction needs, if it may be one; others then only run in
        training."""
        lines: list[str] = []
        for step in steps:
            if isinstance(step, Tile):
                lines += self.tile(step, stage, wanted)
            elif not OPS[step.op].alias:
                call = _when(step, wanted) + self.call(step, stage)
                lines += [*self.mark, *self.copy(step, stage), call, *self.judge(step, stage)]
            made = step.nodes if isinstance(step, Tile) else (step,)
            lines += self.returned(made, stage) + self.observed(made, stage)
        return lines

    def observed(self, made: Sequence[Node], stage: Stage) -> list[str]:
        """As soon as the features are there: they are added to the prototypes, and that is all."""
        teaching = self.program.teaching
        if teaching is None or storage_of(teaching.inputs[1]) not in made:
            return []
        features, bound = teaching.inputs[1], literal(prototypes.MOST)
        inside = f"{self.pointer(features, stage)}, {features.type.size}, -{bound}, {bound}"
        status, call = f"{self.program.prefix.upper()}_", self.call(teaching, stage)
        return [
            f"if (training == {OBSERVING}) {{",
            f"  if (!{self.own}within({inside})) return {status}ERROR_DIVERGED;",
            *(f"  {line}" for line in (call, f"return {status}OK;")),
            "}",
        ]

    def returned(self, made: Sequence[Node], stage: Stage) -> list[str]:
        """Of several outputs each is copied as soon as it is there, for another may take its place;
        of one, `predict` copies it at the end."""
        if len(self.program.outputs) == 1:
            return []
        outputs = zip(self.program.outputs.values(), self.outputs, strict=True)
        return [
            f"if ({name}) memcpy({name}, {self.pointer(n, stage)}, {n.type.nbytes});"
            for n, name in outputs
            if storage_of(n) in made
        ]

    def copy(self, n: Node, stage: Stage) -> list[str]:
        """Before an update that may have to be taken back: the old value into the arena."""
        copy = stage.plan.copies.get(n)
        if copy is None or copy.swapped:
            return []
        leaf = self.pointer(copy.leaf, stage)
        return [f"memcpy(U8({copy.start}), {leaf}, {copy.leaf.type.nbytes});"]

    def judge(self, n: Node, stage: Stage) -> list[str]:
        """After the last update that can overflow: all is finite, or all copies go back."""
        undo = stage.plan.undo
        if undo is None or n is not undo.last:
            return []
        finite = [f"{self.own}finite({self.state_floats(at)}, {count})" for at, count in
                  self.program.layout.runs(undo.judged)]  # fmt: skip
        diverged = f"return {self.program.prefix.upper()}_ERROR_DIVERGED;"
        back = [
            f"  memcpy({self.pointer(c.leaf, stage)}, U8({c.start}), {c.leaf.type.nbytes});"
            for c in (*undo.copies, *undo.earlier)
        ]
        return [f"if (!({' && '.join(finite)})) {{", *back, f"  {diverged}", "}"]

    def state_floats(self, at: int) -> str:
        """The float32 values of the state from a byte on, past the ends of its arrays."""
        return f"(const float *)(const void *)((const uint8_t *)&{self.held} + {at})"

    def forward(self) -> list[str]:
        """All calls up to the outputs; what a prediction does not need runs in training only."""
        first, _ = self.program.halves
        wanted = frozenset(self.program.predict_order)
        given = [n for n in map(storage_of, self.program.outputs.values()) if n.is_leaf]
        return [
            *self.returned(given, self.program.stages[STEP]),
            *self.mark,  # two in a row tell what one costs
            *self.calls(first, self.program.stages[STEP], wanted),
        ]

    def step(self) -> list[str]:
        """All calls after the outputs; before anything is updated, the loss is taken and judged."""
        stage = self.program.stages[STEP]
        loss = self.program.graph.outputs[LOSS]
        diverged = f"{self.program.prefix.upper()}_ERROR_DIVERGED"
        judged = [
            f"*loss = *{self.pointer(loss, stage)};",
            f"if (!{self.own}finite(loss, 1)) return {diverged};",
        ]
        first, second = self.program.halves
        lines: list[str] = judged if loss in first else []  # an output of the network
        for step in second:
            lines += self.calls([step], stage)
            lines += judged if step is loss else []
        return lines + self.mark

    def weights(self) -> str:
        """The arrays of frozen weights, and of the initial values of trained ones."""
        p = self.program
        kept = [(self.weight(n), n.name, p.initial(n)) for n in p.constants]
        kept += [(self.start(n), n.name, but_zeros(p.initial(n))) for n in p.params]
        arrays = [array_text(p.prefix, *array) for array in kept]
        head = f"{made(p)}\n/* Frozen weights, and what the trained ones start from. */\n"
        return head + "\n".join(arrays)

    def kernels(self) -> str:
        """The kernels that this program calls, as static functions."""
        head = "/* The kernels that this trainer calls. */\n#include <stdint.h>\n"
        head += "#define KERNEL static\n\n"
        text = own(head + kernels.source(self.called(), self.program.target.kernels), self.own)
        return f"{made(self.program)}\n{text}"

    def called(self) -> list[Node]:
        """The nodes whose kernels the program calls."""
        stages = self.program.planned
        used = [_called(n, s) for s in stages for n in s.plan.order if not OPS[n.op].alias]
        return used + ([self.program.teaching] if self.program.teaching else [])

    def context(self) -> dict[str, Any]:
        """The values for the templates."""
        p, step = self.program, self.program.stages[STEP]
        face = interface_of(p)
        given = [self.slot(n) for n in p.inputs]
        inputs = [slot for slot in given if not slot["streamed"]]
        stream = next((slot for slot in given if slot["streamed"]), None)
        outputs = [self.output(n, a) for n, a in zip(p.outputs.values(), face.outputs, strict=True)]
        targets = [self.target(n, a) for n, a in zip(p.targets, face.targets, strict=True)]
        rate = {n.name: n for n in step.graph.leaves("input")}.get(RATE)
        return {
            "p": p.prefix,
            "P": p.prefix.upper(),
            "own": self.own,
            "unit": self.unit,
            "state": self.held,
            "link": "",
            "api": f"{p.prefix}_",
            "mark": MARK if self.mark else "",
            "made": made(p),
            "ram": p.arena_bytes + p.state_bytes + WORD,
            "flag_bytes": WORD,
            "stack": self.stack,
            "quantised": self.quantised(),
            "arena": max(p.arena_bytes, 1),
            "state_bytes": p.state_bytes,
            "staged": p.staged,
            "blob_bytes": face.blob_bytes,
            "diverged": self.diverged(),
            "version": VERSION,
            "fingerprint": p.layout.fingerprint,
            "floats": p.layout.runs(p.kept),
            "bounded": (bounded := self.bounded()),
            "observes": face.observes,
            "selects": False,
            "observing": OBSERVING,
            "within": bool(bounded) or face.observes,
            "given": given,
            "inputs": inputs,
            "streamed": stream,
            "parameters": ", ".join(i["parameter"] for i in given),
            "slot_parameters": ", ".join(i["parameter"] for i in inputs),
            "slot_arguments": ", ".join(i["name"] for i in inputs),
            "stream_parameters": (rows := f"{stream['parameter']}, " if stream else ""),
            "stream_arguments": (context := f"{stream['name']}, context, " if stream else ""),
            "example_arguments": ", ".join(i["example"] or i["name"] for i in given),
            "example_slots": ", ".join(i["example"] or f"{p.prefix}_{i['name']}()" for i in given),
            "front": (front := front_context(p, self.calls, self.pointer)),
            "forward_parameters": "" if front else rows,
            "forward_arguments": "" if front else context,
            "outputs": outputs,
            "output_parameters": ", ".join(o["parameter"] for o in outputs),
            "output_arguments": ", ".join(self.outputs),
            "copied": [f"{o['parameter']}, " for o in outputs] if len(outputs) > 1 else [],
            "targets": targets,
            "target_parameters": "".join(f"{t['parameter']}, " for t in targets),
            "target_arguments": "".join(f"{t['name']}, " for t in targets),
            "kept": [self.stored(n) for n in p.kept],
            "params": [self.stored(n) for n in p.params],
            "states": (states := [self.stored(n) for n in p.states]),
            "anchors": [leaf for leaf in states if leaf["anchors"]],
            "slides": any(tile.slides for stage in p.planned for tile in stage.plan.tiles),
            "vectors": kernels.NEEDS.get(p.target.kernels[0]),
            "forward": (forward := self.forward()),
            "trains": any(line.lstrip().startswith(TRAINING) for line in forward),
            "step": self.step(),
            "apply": self.applied(),
            "accumulate": p.accumulate,
            "lr_offset": None if rate is None else step.plan.offset[rate],
            "lr": literal(float(p.lr)),
        }

    def diverged(self) -> str:
        """What the status means, for the header."""
        undo = [stage.plan.undo for stage in self.program.planned if stage.plan.undo]
        if all(one.restores for one in undo):
            return "the loss is not finite, or an update overflows; nothing was changed"
        return "the loss is not finite and nothing changed, or an update overflowed: load a state"

    def bounded(self) -> list[dict[str, Any]]:
        """The leaves of the state whose values have bounds."""
        found = []
        for n in self.program.kept:
            least, most = n.attrs.get(WITHIN, (None, None))
            if (least, most) != (None, None):
                found.append(
                    {
                        "at": self.program.layout.start[n.name],
                        "count": n.type.size,
                        "least": literal(-FLOAT_MAX if least is None else least),
                        "most": literal(FLOAT_MAX if most is None else most),
                    }
                )
        return found

    def quantised(self) -> list[dict[str, Any]]:
        """What real numbers the integers of an input, and of an output, stand for."""
        p = self.program
        named = [(self.inputs[n], n, True) for n in p.inputs]
        symbols = (a.symbol for a in interface_of(p).outputs)
        named += [(s, n, False) for s, n in zip(symbols, p.outputs.values(), strict=True)]
        return [
            {
                "name": name,
                "scale": literal(q.scale[0]),
                "zero": q.zero_point[0],
                "input": is_input,
            }
            for name, n, is_input in named
            if n.type.dtype == "int8" and (q := n.type.quant)
        ]

    def applied(self) -> dict[str, Any] | None:
        stage = self.program.stages.get(APPLY)
        if stage is None:
            return None
        rate = next(n for n in stage.graph.leaves("input") if n.name == RATE)
        calls = self.calls(stage.plan.steps(), stage) + self.mark
        return {"lr": stage.plan.offset[rate], "calls": calls}

    def output(self, n: Node, argument: Argument) -> dict[str, Any]:
        """What a prediction writes."""
        return {
            "name": argument.symbol,
            "parameter": f"{argument.ctype} *{argument.symbol}",
            "count": n.type.size,
            "ctype": argument.ctype,
            "bytes": n.type.nbytes,
            "shape": shape_text(n.type.shape),
            "pointer": self.pointer(n, self.program.stages[STEP]),
        }

    def target(self, n: Node, argument: Argument) -> dict[str, Any]:
        """What a loss compares an output with."""
        labels = self.program.labels(n)
        return {
            "name": argument.symbol,
            "parameter": f"const {argument.ctype} *{argument.symbol}",
            "count": n.type.size,
            "ctype": argument.ctype,
            "meaning": meaning(n, labels),
            "classes": labels.classes if labels else 0,
            "ignored": labels.ignored if labels else None,
            "pointer": self.pointer(n, self.program.stages[STEP]),
        }

    def slot(self, n: Node) -> dict[str, Any]:
        """An input of the model: its place in the arena, and what its numbers mean."""
        user, quant = storage(n).shape, n.type.quant
        moved = storage(n).permutation != tuple(range(len(user)))
        says = f", channels last (the model's {shape_text(user)})" if moved else ""
        if quant is not None:
            says += f"; real value = {quant.scale[0]:.9g} * (x - {quant.zero_point[0]})"
        below = n.attrs.get("below", 0)
        if below:
            says += f"; indices in 0..{below - 1}"
        streamed, ctype = n is self.program.streamed, CTYPES[n.type.dtype]
        symbol = self.inputs[n]
        rows = f"{self.program.prefix}_rows {symbol}, void *context"
        return {
            "name": symbol,
            "streamed": streamed,
            "parameter": rows if streamed else f"const {ctype} *{symbol}",
            "example": "made_up_rows, 0" if streamed else "",
            "row": n.type.size // n.type.shape[1] if streamed else 0,
            "ctype": ctype,
            "count": n.type.size,
            "bytes": n.type.nbytes,
            "below": below,
            "period": min(7, below or 7),
            "shape": shape_text(n.type.shape),
            "meaning": says,
            "pointer": self.pointer(n, self.program.first),
        }

    def stored(self, n: Node) -> dict[str, Any]:
        """A leaf of the state."""
        start = self.program.initial(n).reshape(-1)
        return {
            "id": self.member(n),
            "start": self.start(n),
            "comment": comment(n.name),
            "ctype": CTYPES[n.type.dtype],
            "count": n.type.size,
            "given": but_zeros(start).size,
            "fill": literal(start[0]) if n.op == "state" else "",
            "anchors": f"p_{self.state[n.attrs[ANCHORS]]}" if ANCHORS in n.attrs else "",
        }


def _called(n: Node, stage: Stage) -> Node:
    """What is called for a node: an update may be one that keeps the old value in place."""
    copy, keeping = stage.plan.copies.get(n), OPS[n.op].keeping
    if copy is None or not copy.swapped or keeping is None:
        return n
    return Node(keeping, n.inputs, n.type, n.attrs, n.name)


def _when(n: Node, wanted: Wanted) -> str:
    return "" if wanted is None or n in wanted else TRAINING


def render(
    program: Program, marks: bool = False, stack: int | None = None, sections: Any = None
) -> Mapping[str, str]:
    """The files of the C project by name.

    marks: for `run/profile.py`.  stack: bytes of a call's worst case, if measured.  sections: of
    the linker, by part (trainlet.backends.sections).
    """
    placed = attributes(sections_of(sections))
    emitter, p = Emitter(program, marks, stack), program.prefix
    context = {**emitter.context(), "placed": placed}
    return {
        f"{p}.h": fill("trainer.h", context),
        f"{p}.c": fill("trainer.c", context),
        f"{p}_kernels.h": emitter.kernels(),
        f"{p}_weights.h": emitter.weights(),
        f"{p}.json": described(print_record(Record.of(program)), context),
        project.EXAMPLE: fill(project.EXAMPLE, context),
        project.CMAKE: cmake([p]),
    }


def write_project(
    program: Program, folder: Path, marks: bool = False, stack: int | None = None,
    sections: Any = None,
) -> tuple[str, ...]:  # fmt: skip
    """Write the C project: all of its files, or none.

    Returns the names of the example files that somebody has changed since Trainlet wrote them:
    these stay as they are.  Raises FileError when the folder cannot be written.
    """
    return project.write(folder, program.prefix, render(program, marks, stack, sections), cmake)
