"""Schemes of networks that are a row of equal blocks, such as transformers."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from trainlet.errors import SchemeError
from trainlet.ir.arguments import whole
from trainlet.ir.scheme import UpdateScheme
from trainlet.passes.presets import Parameter
from trainlet.schemes.presets import Model, parameters_of

_ATTENTION = re.compile(r"(^|\.)[^.]*(attn|attention)[^.]*\.")
"""In the name of a parameter within its block: a module of attention has it."""

Block = list[tuple[str, Parameter]]
"""The parameters of a block, each with its name within the block."""


def last_blocks(model: Model, k: int) -> UpdateScheme:
    """The attention and the first layer of the feed-forward part of the last k blocks: the scheme
    that PockEngine gives for language models (Zhu et al., 2023).

    Blocks are the modules that a list numbers, such as `layers.3.`, and that have a module of
    attention: one whose name contains `attn` or `attention`.  Of the attention all weights and
    biases learn.  The first layer is the first linear one beside the attention; in SwiGLU that is
    the gate.  Norms, embeddings and the classifier are frozen.

    Raises SchemeError for fewer than k such blocks.
    """
    blocks = [block for block in _blocks(parameters_of(model)) if any(map(_attends, block))]
    if not blocks:
        raise SchemeError(
            "the model has no numbered blocks with a module called `attn` or `attention`; name the "
            "parameters yourself: trainlet.UpdateScheme({name: 1.0})"
        )
    whole("k", k, 1, len(blocks), SchemeError)
    names = [name for block in blocks[-k:] for name in _attention_and_first(block)]
    return UpdateScheme(dict.fromkeys(names, 1.0))


def lisa(
    model: Model, k: int = 2, *, variants: int | None = None, ends: bool = True, seed: int = 0
) -> tuple[UpdateScheme, ...]:
    """Schemes that take turns (LISA, Pan et al., 2024): each trains k random blocks as a whole, and
    what is in no block, which is the embedding, the last norm and the classifier.

    variants: how many; by default as many as let each block learn once.  The blocks are dealt out
    in a random order, and again when all have had their turn.
    ends: whether what is in no block learns
    `Turns` trains with them.

    Raises SchemeError for fewer than k blocks.
    """
    parameters = parameters_of(model)
    blocks = _blocks(parameters)
    whole("k", k, 1, len(blocks), SchemeError)
    count = -(-len(blocks) // k) if variants is None else whole("variants", variants, 1, None,
                                                                SchemeError)  # fmt: skip
    inside = {p.name for block in blocks for _, p in block}
    rest = [p.name for p in parameters if ends and p.name not in inside]
    return tuple(
        UpdateScheme(dict.fromkeys([*(p.name for at in turn for _, p in blocks[at]), *rest], 1.0))
        for turn in _turns(len(blocks), k, count, np.random.default_rng(seed))
    )


def _turns(blocks: int, k: int, count: int, rng: np.random.Generator) -> list[list[int]]:
    """k different blocks for each turn; no block a second time before all have had one."""
    turns: list[list[int]] = []
    waiting: list[int] = []
    for _ in range(count):
        turn, waiting = waiting[:k], waiting[k:]
        if len(turn) < k:
            again = [at for at in rng.permutation(blocks).tolist() if at not in turn]
            missing = k - len(turn)
            waiting = [*again[missing:], *turn] if turn else again[missing:]
            turn = [*turn, *again[:missing]]
        turns.append(sorted(turn))
    return turns


def _blocks(parameters: Sequence[Parameter]) -> list[Block]:
    """The numbered modules of the list that has most parameters, in their order."""
    lists: dict[str, dict[int, Block]] = {}
    for p in parameters:
        found = re.match(r"((?:[^.]+\.)*?)(\d+)\.(.+)", p.name)
        if found:
            prefix, number, own = found.groups()
            lists.setdefault(prefix, {}).setdefault(int(number), []).append((own, p))
    longest = max(lists.values(), key=lambda found: sum(map(len, found.values())), default={})
    return [longest[number] for number in sorted(longest)]


def _attends(part: tuple[str, Parameter]) -> bool:
    return bool(_ATTENTION.search(part[0]))


def _attention_and_first(block: Block) -> list[str]:
    attention = [p.name for own, p in block if _ATTENTION.search(own) and not p.norm]
    beside = [(own, p) for own, p in block if not _ATTENTION.search(own)]
    first = next((own.rpartition(".")[0] for own, p in beside if p.weight), None)
    return [*attention, *(p.name for own, p in beside if own.rpartition(".")[0] == first)]
