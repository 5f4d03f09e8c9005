"""The C of a chain: a loop over the functions of one element."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from jinja2 import Environment, PackageLoader, StrictUndefined

from trainlet.ir.graph import Node
from trainlet.ops.fused.chain import MAP, VECTOR, FusedOp, chained, kinds, literals
from trainlet.ops.op import OPS

FPU_BLOCK_OPS = {"mul": "vmul.f32", "add": "vadd.f32"}
"""The operations that a core with an FPU runs on blocks of eight columns, and the instruction of
each."""
MOST_VECTORS = 3
"""How many vectors of eight columns fit the FPU's registers beside those of the map."""

_CTYPES = {"float32": "float", "int8": "int8_t"}
_TEMPLATES = Environment(loader=PackageLoader("trainlet.ops", "fused"), undefined=StrictUndefined,
                         trim_blocks=True, keep_trailing_newline=True)  # fmt: skip


def in_fpu_blocks(links: Sequence[FusedOp]) -> bool:
    """Whether the chain is products and sums of one map with vectors that stay in registers."""
    own = kinds(links)
    meet = all(op in FPU_BLOCK_OPS for op, _, _ in links)
    return meet and own.count(MAP) == 1 and own.count(VECTOR) <= MOST_VECTORS


def kernel_name(n: Node) -> str:
    """The kernel's name: the operations and the kinds of their operands. Nodes that differ only in
    sizes and literals share a kernel."""
    return "_".join(f"{op}_{operands}" for op, operands, _ in n.attrs["links"])


def kernel_source(n: Node) -> str:
    """The text of the chain's kernel."""
    links, own = n.attrs["links"], kinds(n.attrs["links"])
    steps, more = _steps(n)
    tensors = [f"const {_CTYPES[i.type.dtype]} *x{k}" for k, i in enumerate(n.inputs)]
    vectors = [f"x{k}" for k, kind in enumerate(own) if kind == VECTOR]
    sizes = ["int rows", "int columns"] if vectors else ["int size"]
    parameters = [f"{_CTYPES[n.type.dtype]} *y", *tensors, *sizes, *more]
    functions = {op: OPS[op].function for op, _, _ in links}
    headers = {"kernel.h", "one_copy.h", *(f"{op}.h" for op in functions if not functions[op])}
    meets = []
    if in_fpu_blocks(links):
        headers.add("fpu_block_f32.h")
        meets = [f'WITH_{k}("{FPU_BLOCK_OPS[op]}")' for k, (op, _, _) in enumerate(links)]
    return _TEMPLATES.get_template("kernel.c.jinja").render(
        headers=sorted(headers),
        functions=[text() for text in functions.values() if text],
        ops=[op for op, _, _ in links],
        name=kernel_name(n),
        parameters=fill(", ".join(parameters), 84, subsequent_indent=" " * 12),
        map=f"x{own.index(MAP)}",
        vectors=vectors,
        operands=(vectors * MOST_VECTORS)[:MOST_VECTORS],
        meets=meets,
        steps=steps,
    )


def _steps(n: Node) -> tuple[list[str], list[str]]:
    """A statement for each link, and the parameters that its literals are."""
    links, own = n.attrs["links"], kinds(n.attrs["links"])
    steps, parameters = list[str](), list[str]()
    elements = [(f"x{k}[{'k' if kind == MAP else 'column'}]", i.type)
                for k, (kind, i) in enumerate(zip(own, n.inputs, strict=True))]  # fmt: skip

    def run(link: FusedOp, operands: list) -> tuple:
        op, _, attrs = link
        arguments = [text for text, _ in operands]
        for value in literals(link):
            arguments.append(f"s{len(parameters)}")
            parameters.append(f"{'int' if isinstance(value, int) else 'float'} {arguments[-1]}")
        made = OPS[op].infer(*(type for _, type in operands), **attrs)
        last = len(steps) == len(links) - 1
        name = "y[k]" if last else f"v{len(steps)}"
        declared = name if last else f"{_CTYPES[made.dtype]} {name}"
        steps.append(f"{declared} = {op}_f32({', '.join(arguments)});")
        return name, made

    chained(links, elements, run)
    return steps, parameters
