"""Where an operator stands in the user's model, and what the user wrote there."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch.fx import Node as Fx

_FRAME = re.compile(r'File "([^"]+)", line (\d+)[^\n]*\n?([^\n]*)')
_CONTAINERS = "torch.nn.modules.container."
FRONT_ENDS = "trainlet.features."


SAME_AS_ATEN = frozenset(
    "abs add amax amin bitwise_and bitwise_or bitwise_xor bitwise_not ceil clone cos div eq erf "
    "exp expm1 floor ge gt isfinite le log log10 log1p log2 lt maximum minimum mul ne neg pow "
    "reciprocal round rsqrt sign sin sqrt sub sum trunc var where".split()
)
"""torch's primitive operators that mean what ATen's of the same name do."""


def operator_name(fx: Fx) -> str:
    """The ATen operator without its overload, `mul_`; of anything else its whole name."""
    name = str(fx.target)
    short = name.split(".")[1] if name.startswith(("aten.", "prims.")) else name
    return short if name.startswith("aten.") or short in SAME_AS_ATEN else name


def module_path(fx: Fx) -> str:
    """The module that made the node, as in `named_modules`; the node's own name outside of all."""
    stack = _modules(fx)
    return (stack[-1][0] if stack else "") or fx.name


def in_front_end(fx: Fx) -> bool:
    """Whether a module of `trainlet.features` made the node, which stays float32 in int8."""
    return any(kind.startswith(FRONT_ENDS) for _, kind in _modules(fx))


def where(fx: Fx) -> str:
    """The line of the user's model that made the node."""
    module, frame = module_path(fx), _own_frame(fx)
    return f"(module {module!r}, {frame[0]}:{frame[1]})" if frame else f"(module {module!r})"


def written(fx: Fx) -> str:
    """What the user wrote: a layer of torch.nn, else the line of code with the operator's name."""
    frame = _own_frame(fx)
    at = f" at {frame[0]}:{frame[1]}" if frame else ""
    for path, kind in _modules(fx):
        if kind.startswith("torch.nn.") and not kind.startswith(_CONTAINERS):
            return f"nn.{kind.rsplit('.', 1)[-1]} {path!r}{at}"
    line = frame[2].strip() if frame else ""
    code = f" in `{line}`" if line and not line.startswith("File ") else ""
    return f"{operator_name(fx)}{code} (module {module_path(fx)!r}{at})"


def _modules(fx: Fx) -> list[tuple[str, str]]:
    """(path, class) of the modules around the operator, outermost first."""
    stack = (fx.meta.get("nn_module_stack") or {}).values()
    named = [(path, kind if isinstance(kind, str) else _class(kind)) for path, kind in stack]
    return [(path, kind) for path, kind in named]


def _class(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _own_frame(fx: Fx) -> tuple[str, str, str] | None:
    """(file, line, code) of the innermost frame outside of torch."""
    frames = _FRAME.findall(fx.meta.get("stack_trace") or "")
    home = str(Path(torch.__file__).parent)
    own = [f for f in frames if not f[0].startswith((home, "<eval_with_key>"))]
    return (own or [(*f[:2], "") for f in frames] or [None])[-1]
