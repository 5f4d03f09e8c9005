"""Attention and rotary positions of opset 23, and products that Einsum describes."""

from __future__ import annotations

from math import prod

import numpy as np

from trainlet.errors import FileError, UnsupportedError
from trainlet.frontends.aten.attention import attended, repeated
from trainlet.frontends.onnx.builder import Builder
from trainlet.frontends.onnx.table import onnx
from trainlet.ir.graph import Node
from trainlet.ops.op import require


def _heads(at: Builder, x: Node, name: str) -> Node:
    """[N, heads, T, width]; an attribute tells how many heads [N, T, heads * width] has."""
    many = at.attribute(name, 0)
    if x.type.rank == 4:
        return x
    require(
        x.type.rank == 3 and many > 0 and x.type.shape[2] % many == 0, f"{many} heads of {x.type}"
    )
    n, rows, width = x.type.shape
    return at.permute(at.reshape(x, (n, rows, many, width // many)), 0, 2, 1, 3)


@onnx("Attention")
def _attention(at: Builder) -> Node:
    flat = at.input(0).type.rank == 3
    names = ("q_num_heads", "kv_num_heads", "kv_num_heads")
    q, k, v = (_heads(at, at.input(p), name) for p, name in enumerate(names))
    require(q.type.shape[1] % k.type.shape[1] == 0, f"queries {q.type}, keys {k.type}")
    k, v = (repeated(at, x, q.type.shape[1]) for x in (k, v))
    if any(at.has(p) for p in (4, 5, 6)) or any(at.operator.outputs[1:]):
        raise UnsupportedError("keys and values of the past, or results beside the first; leave "
                               "them out")  # fmt: skip
    for ignored in ("softmax_precision", "qk_matmul_output_mode"):
        at.attribute(ignored, 0)
    mask = at.input(3) if at.has(3) else None
    scale, cap = at.attribute("scale", 0.0), at.attribute("softcap", 0.0)
    causal = bool(at.attribute("is_causal", 0))
    y = attended(at, q, k, v, mask, causal, scale or None, cap)
    if not flat:
        return y
    n, heads, rows, width = y.type.shape
    return at.reshape(at.permute(y, 0, 2, 1, 3), (n, rows, heads * width))


@onnx("RotaryEmbedding")
def _rotary(at: Builder) -> Node:
    """Pairs of elements, turned by angles that the file knows for each position."""
    x = at.input(0)
    flat = x.type.rank == 3
    x = _heads(at, x, "num_heads")
    n, heads, rows, width = x.type.shape
    turned = at.attribute("rotary_embedding_dim", 0) or width
    cos, sin = (_angles(at, k, n, rows, turned // 2) for k in (1, 2))
    part = at.aten("slice", x, 3, 0, turned, 1)
    between = bool(at.attribute("interleaved", 0))
    if between:
        pairs = at.reshape(part, (n, heads, rows, turned // 2, 2))
        halves = [at.reshape(at.build("slice", pairs, axis=4, start=k, stop=k + 1),
                             (n, heads, rows, turned // 2)) for k in (0, 1)]  # fmt: skip
    else:
        halves = [at.build("slice", part, axis=3, start=k * turned // 2, stop=(k + 1) * turned // 2)
                  for k in (0, 1)]  # fmt: skip
    a, b = halves
    first = at.build("sub", at.build("mul", a, cos), at.build("mul", b, sin))
    second = at.build("add", at.build("mul", a, sin), at.build("mul", b, cos))
    if between:
        shape = (n, heads, rows, turned // 2, 1)
        joined = at.aten("cat", [at.reshape(h, shape) for h in (first, second)], 4)
        y = at.reshape(joined, (n, heads, rows, turned))
    else:
        y = at.aten("cat", [first, second], 3)
    if turned < width:
        y = at.aten("cat", [y, at.aten("slice", x, 3, turned, width, 1)], 3)
    return at.reshape(at.permute(y, 0, 2, 1, 3), (n, rows, heads * width)) if flat else y


def _angles(at: Builder, position: int, n: int, rows: int, half: int) -> Node:
    """[N or 1, 1, T, half] of a table of all positions, or of what the table has for each."""
    table = at.constant(position, "table of angles")
    if at.has(3):
        table = table[at.constant(3, "positions").astype(np.int64)]
    require(table.shape[-2:] == (rows, half), f"a table of {table.shape} for {rows} positions")
    return at.const(table.reshape(-1, 1, rows, half), f"{at.label}.angles")


@onnx("Einsum")
def _einsum(at: Builder) -> Node:
    """A product of two operands, each with different letters, or a sum and a move of one."""
    at.unread.discard("equation")
    equation = str(at.operator.attributes.get("equation", "")).replace(" ", "")
    given, arrow, wanted = equation.partition("->")
    letters, nodes = given.split(","), at.all()
    plain = "".join(letters) + wanted
    if not arrow or len(nodes) > 2 or not (plain.isascii() and plain.isalpha()):
        raise UnsupportedError(
            f"equation {equation[:60]!r}; allowed: one or two operands with letters, and ->"
        )
    sizes: dict[str, int] = {}
    for own, x in zip(letters, nodes, strict=True):
        require(len(own) == x.type.rank, f"{own} of {x.type}")
        if len(set(own)) < len(own):
            raise UnsupportedError(f"equation {equation[:60]!r}; allowed: letters that differ")
        for letter, size in zip(own, x.type.shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise FileError(f"{letter} is {sizes[letter]} and {size}")
    require(set(wanted) <= set(sizes) and len(set(wanted)) == len(wanted), f"result {wanted}")
    others = [set(letters[1 - k]) if len(nodes) == 2 else set() for k in range(len(nodes))]
    for k, own in enumerate(letters):  # what only one operand has and the result has not is summed
        alone = [i for i, c in enumerate(own) if c not in others[k] and c not in wanted]
        if alone:
            nodes[k] = at.aten("sum", nodes[k], alone, False)
            letters[k] = "".join(c for i, c in enumerate(own) if i not in alone)
    if len(nodes) == 1:
        return at.permute(nodes[0], *(letters[0].index(c) for c in wanted)) if wanted else nodes[0]
    return _product(at, nodes, letters, wanted, sizes)


def _product(
    at: Builder, nodes: list[Node], letters: list[str], wanted: str, sizes: dict[str, int]
) -> Node:
    """As one product of matrices for each of what both operands and the result have."""
    a, b = letters
    batch = [c for c in a if c in b and c in wanted]
    summed = [c for c in a if c in b and c not in wanted]
    rows, columns = ([c for c in own if c not in other] for own, other in ((a, b), (b, a)))
    groups = [(batch, rows, summed), (batch, summed, columns)]
    matrices = []
    for x, own, parts in zip(nodes, letters, groups, strict=True):
        moved = at.permute(x, *(own.index(c) for part in parts for c in part))
        matrices.append(at.reshape(moved, [prod(sizes[c] for c in part) for part in parts]))
    made = at.build("matmul", *matrices)
    whole = [*batch, *rows, *columns]
    y = at.reshape(made, [sizes[c] for c in whole])
    return at.permute(y, *(whole.index(c) for c in wanted)) if whole else y
