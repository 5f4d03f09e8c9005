"""Figures of a setting as JSON: an estimate, a plan with every buffer, and the training wall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainlet.compiled import CompiledProgram
from trainlet.explorer.explored import Explored
from trainlet.explorer.fleet import pool
from trainlet.explorer.requests import Forward, Setting
from trainlet.ir.graph import Graph, Node
from trainlet.ir.roles import RATE, is_target, predictions
from trainlet.ir.scheme import UpdateScheme
from trainlet.ops.op import OPS
from trainlet.ops.optimizer import OPTIMIZERS
from trainlet.ops.shape import source_of
from trainlet.passes.presets import graph_parameters
from trainlet.passes.split import FROZEN
from trainlet.passes.training import folded, freeze, in_layout
from trainlet.planning.buffers import in_arena
from trainlet.planning.estimate import estimate_arena
from trainlet.planning.limits import needed
from trainlet.planning.planner import Planner
from trainlet.planning.program import kept_for_backward, saved_for_backward
from trainlet.planning.report import label
from trainlet.run.profile import step_instructions

Json = dict[str, Any]


def described(explored: Explored) -> Json:
    """The network: its layers in order, the target, and what can be chosen."""
    parameters = {n.name: n for n in explored.float_graph.leaves("param")}
    layers, target = explored.layers, explored.source.target

    def named(name: str) -> Json:
        n = parameters[name]
        return {"name": name, "count": n.type.size}

    rows = [
        {
            "name": layer.name.removesuffix(".weight"),
            "weight": {**named(layer.weight), "shares": layer.shares} if layer.weight else None,
            "biases": [named(name) for name in layer.biases],
            "head": False,
        }
        for layer in layers.body
    ]
    head = [named(name) for name in layers.head]
    rows.append(
        {
            "name": layers.head[0].rsplit(".", 1)[0],
            "weight": None, "biases": head, "head": True,
        }
    )  # fmt: skip
    shape = next(n.type.shape for n in explored.float_graph.leaves("input"))
    data, shared = explored.data, pool(explored)
    return {
        "name": explored.source.name,
        "input": list(shape),
        "layers": rows,
        "norms": sum(p.norm for p in graph_parameters(explored.float_graph)),
        "precisions": explored.precisions,
        "batches": explored.batches,
        "optimizers": list(OPTIMIZERS),
        "target": {"name": target.name, "ram": target.ram, "flash": target.flash,
                   "stack": target.stack if target.cpu else 0, "counts": target.cpu is not None},
        "examples": None if data is None else {"learn": len(data[1]), "test": len(data[3])},
        "persons": None if shared is None else len(shared.persons),
    }  # fmt: skip


def estimated(explored: Explored, asked: Setting) -> Json:
    """From an order alone: no addresses, no tiles that were tried, no old values for a rollback."""
    step = explored.step(asked)
    target = explored.source.target
    arena = estimate_arena(step, tile=target.ram is not None)
    state = sum(n.type.nbytes for n in step.leaves("param", "state"))
    frozen = sum(n.type.nbytes for n in step.leaves("const", "param"))
    return {
        "kind": "estimate",
        "arena": arena,
        "state": state,
        "ram": arena + state + (target.stack if target.cpu else 0),
        "flash": frozen,
        "saved": saved_for_backward(step),
        **_work(step),
    }


def planned(explored: Explored, asked: Setting) -> Json:
    """The whole plan: what `compile` would write."""
    return plan_figures(explored, explored.program(asked))


def plan_figures(explored: Explored, program: CompiledProgram) -> Json:
    """Bytes and multiply-accumulates of a program, and its buffers."""
    _, flash = needed(program)
    stack = program.target.stack if program.target.cpu else 0
    return {
        "kind": "plan",
        "arena": program.arena_bytes,
        "state": program.state_bytes,
        "ram": program.arena_bytes + program.state_bytes + stack,
        "flash": flash,
        "saved": program.saved_bytes,
        "forward": program.macs_forward,
        "backward": program.macs_backward,
        "recomputed": program.macs_recomputed,
        "bound": max(stage.plan.lower_bound for stage in program.planned),
        "buffers": buffers(program),
        "kept": kept_by_layer(explored, program.graph),
        "moments": max(program.plan.moment.values(), default=0) + 1,
        "stepArena": program.plan.arena,
    }


def measured(explored: Explored, asked: Setting) -> Json:
    """The compiled firmware: Flash with code, the stack, and the instructions of a step on the
    emulated core.  Raises TargetError for a target without one."""
    program = explored.program(asked)
    report = program.report
    return {
        "flash": report.flash_bytes,
        "stack": report.stack_bytes,
        "ram": report.ram_bytes,
        "instructions": step_instructions(program),
    }


def wall(explored: Explored, asked: Forward) -> Json:
    """Inference beside training of every parameter: bytes of each layer and of the whole."""
    integer = explored.integer(asked)
    target = explored.source.target
    graph = freeze(explored.forward(asked), UpdateScheme({}))
    graph = folded(in_layout(graph))
    planner = Planner(tile=target.ram is not None, rollback=False)
    _, infer = planner.smallest(target.lower(graph))
    every = Setting(precision=asked.precision, batch=asked.batch, scheme="full")
    program = explored.program(every)
    kept = kept_by_layer(explored, program.graph)
    return {
        "inference": infer.arena,
        "training": program.arena_bytes + program.state_bytes,
        "arena": program.arena_bytes,
        "state": program.state_bytes,
        "saved": program.saved_bytes,
        "weights": program.constant_bytes + sum(n.type.nbytes for n in program.params),
        "forward": program.macs_forward,
        "backward": program.macs_backward,
        "kept": kept,
        "maps": maps_by_layer(explored, program),
        "integer": integer is not None,
    }


def buffers(program: CompiledProgram) -> list[Json]:
    """Every buffer of the arena over one step: its bytes, address and moments."""
    plan = program.plan
    end = max(plan.moment.values(), default=0) + 1
    seeded = [plan.moment[n] for n in plan.order if any(i.op == "seed" for i in n.inputs)]
    backward = min(seeded, default=end)
    tiles = {n: k for k, tile in enumerate(plan.tiles) for n in tile.nodes}
    windows = {n for tile in plan.tiles for n in tile.windows}
    rows: list[Json] = []
    for n, (born, dies) in plan.live.items():
        phase = "forward" if dies < backward else "kept" if born < backward else "backward"
        rows.append({
            "name": label(n), "type": str(n.type), "at": plan.offset[n], "size": plan.size[n],
            "from": max(born, 0), "to": dies, "phase": phase, "tile": tiles.get(n, -1),
            "rows": n in windows,
        })  # fmt: skip
    copies = plan.undo.copies if plan.undo else ()
    judged = plan.moment[plan.undo.last] if plan.undo else end
    rows += [
        {
            "name": f"old {label(c.leaf)}", "type": str(c.leaf.type), "at": c.start,
            "size": c.leaf.type.nbytes, "from": plan.moment[c.update], "to": judged,
            "phase": "old", "tile": -1, "rows": False,
        }
        for c in copies
    ]  # fmt: skip
    return rows


def kept_by_layer(explored: Explored, step: Graph) -> list[int]:
    """Bytes that each layer's results keep for the backward pass; the input is the first layer's.
    They add up to `saved`."""
    owner = _owners(explored, step)
    found = [0] * (len(explored.layers.body) + 1)
    for n in kept_for_backward(step):
        found[owner.get(n, 0)] += n.type.nbytes
    return found


def maps_by_layer(explored: Explored, program: CompiledProgram) -> list[int]:
    """The largest result of each layer in the forward pass, in bytes."""
    owner = _owners(explored, program.graph)
    found = [0] * (len(explored.layers.body) + 1)
    for n in program.predict_order:
        if in_arena(n) and n in owner:
            found[owner[n]] = max(found[owner[n]], n.type.nbytes)
    return found


def _owners(explored: Explored, graph: Graph) -> dict[Node, int]:
    """The number of the layer that each node of the forward pass belongs to: that of the last
    weight on the way to it."""
    numbers: dict[str, int] = {}
    for k, layer in enumerate(explored.layers.body):
        numbers |= dict.fromkeys([layer.weight or layer.name, *layer.biases], k)
    numbers |= dict.fromkeys(explored.layers.head, len(explored.layers.body))
    owner: dict[Node, int] = {}
    for n in graph.nodes():
        if n.is_leaf:
            if n.op == "input" and n.name != RATE and not is_target(n):
                owner[n] = 0
            continue
        named = [numbers.get(source_of(i).name.removesuffix(FROZEN)) for i in n.inputs]
        own = [k for k in named if k is not None]
        before = [owner[i] for i in n.inputs if i in owner]
        if own or before:
            owner[n] = max([*own, *before])
    return owner


def _work(step: Graph) -> Mapping[str, int]:
    """Multiply-accumulates of a step: forward to the outputs, and the rest."""
    forward = set(Graph(dict(predictions(step)), step.values).nodes())
    counts = [(n in forward, OPS[n.op].macs(n)) for n in step.nodes() if not n.is_leaf]
    ahead = sum(count for is_forward, count in counts if is_forward)
    return {"forward": ahead, "backward": sum(c for _, c in counts) - ahead, "recomputed": 0}
