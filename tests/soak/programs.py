"""A network of the soak, compiled as its options say."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any
from unittest.mock import patch

import torch
from torchao.quantization.pt2e import quantize_pt2e

import trainlet as tl
from networks.reference import input_channels
from soak.lesson import OPTIMIZERS, Lesson, loss_of
from soak.options import SHARES, Options
from trainlet.frontends.pt2e import quantize_module
from trainlet.ir.graph import Graph
from trainlet.planning.limits import needed

MEGABYTE = 1 << 20

# torchao looks for norms of quantisation-aware training in every network, which takes half a minute
# and finds none in ours.
_without_the_search = patch.object(quantize_pt2e, "_fold_conv_bn_qat", lambda module: module)


@_without_the_search
def import_lesson(lesson: Lesson, options: Options) -> Graph | None:
    """The forward graph: of floats, or of integers; None where the compiler makes it alone."""
    if options.precision == "float32":
        return tl.prepare(lesson.model, lesson.examples, check=False)
    if options.given != "graph":
        return None
    shown = [x if len(x) > 1 else x[0] for x in lesson.inputs]
    precision = precision_of(options)
    return quantize_module(
        lesson.model,
        lesson.examples,
        shown,
        precision.calibration,
        float_head=precision.float_head,
    )


def precision_of(options: Options) -> tl.Int8:
    names = ("gradient", "extra_bits", "rounding", "qas", "float_head", "head_bits", "calibration")
    return tl.Int8(**{name: getattr(options, name) for name in names})


def scheme_of(lesson: Lesson, seed: int, options: Options) -> tl.UpdateScheme | str:
    """A preset's name; or some of the model's parameters, those of several dimensions in part."""
    if options.scheme != "sparse":
        return options.scheme
    rng = Random(seed)
    params = sorted((name, p.ndim) for name, p in lesson.model.named_parameters())
    chosen = rng.sample(params, rng.randint(1, len(params))) if params else []
    whole = {name for name, rank in chosen if rank < 2 and rng.random() < 0.97}
    shares = {n: 1.0 if n in whole else rng.choice(SHARES) for n, _ in chosen}
    return tl.UpdateScheme({n: _entry(lesson, n, share, rng) for n, share in shares.items()})


def _entry(lesson: Lesson, name: str, share: float, rng: Random) -> Any:
    """A share of the leading channels or of the largest, or as many channels at random."""
    rule = rng.choice(("leading", "norm", "given"))
    if share == 1 or rule != "given":
        return {"share": share, "channels": "norm" if rule == "norm" else "leading"}
    _, units = input_channels(lesson.model, name)
    return {"channels": rng.sample(range(units), max(1, int(share * units)))}


@_without_the_search
def compile_lesson(
    lesson: Lesson, graph: Graph | None, scheme: tl.UpdateScheme | str, options: Options
) -> tl.CompiledProgram:
    model, more = _given(lesson, graph, options), {}
    if options.precision == "int8":
        more["precision"] = precision_of(options)
        if not isinstance(model, Graph):
            more["calibration"] = [x if len(x) > 1 else x[0] for x in lesson.inputs]
    program = _compile(model, lesson, scheme, options, more)
    if options.ram_share is None:
        return program
    ram = needed(program)[0] - int(program.arena_bytes * (1 - options.ram_share))
    return _compile(model, lesson, scheme, options, {**more, "max_ram": ram, "max_recompute": 2.0})


def _given(lesson: Lesson, graph: Graph | None, options: Options) -> Any:
    if options.given == "module":
        return lesson.model
    if options.given == "program":
        return torch.export.export(lesson.model, lesson.examples)
    return graph


def _compile(
    model: Any, lesson: Lesson, scheme: Any, options: Options, more: dict[str, Any]
) -> tl.CompiledProgram:
    target = tl.Target.preset(options.target)
    if target.cpu is not None:
        target = replace(target, ram=2 * MEGABYTE, flash=2 * MEGABYTE, compiler=options.compiler)
    return tl.compile(
        model,
        lesson.examples if isinstance(model, torch.nn.Module) else None,
        scheme,
        target=target,
        loss=loss_of(options, lesson.classes),
        optimizer=OPTIMIZERS[options.optimizer][0],
        accumulate=options.accumulate,
        tile=options.tile,
        stream=options.stream,
        schedule=options.schedule,
        **more,
    )
