"""What an exponent for each row of an int8 gradient would win (docs/decisions/0020):
python benchmarks/row_exponents.py --data FOLDER

First the smallest correlation of any parameter's gradient with the float32 gradient of the same
network, with the int16 gradients of maps rounded to 8 bits of one exponent a map, or a row.  Then
the arena of every published scheme with the choices that take the least RAM: with int16 and int8
gradients, and as if a gradient of a map took no bytes, which no format of gradients can beat.
`python benchmarks/cortex_m.py --gradient int8 --stream --load-twice` counts what the pass that
finds an exponent takes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import trainlet as tl
from int8.test_integer_gradients import correlations
from trainlet.accounting.published.sparse_schemes import SCHEMES
from trainlet.compiled import CompiledProgram
from trainlet.ir.graph import Graph
from trainlet.ir.types import TensorType
from trainlet.ops.op import OPS, Op
from trainlet.planning.report import peak

PLAIN = TensorType.nbytes.fget
"""The bytes of a type as they are."""


NETWORKS = ("ds_cnn", "resnet8", "mobilenet_v1", "mcunet")
MAKE_MANTISSAS = [n for n in OPS if n.endswith("bfp_dx")] + ["to_bfp", "add_bfp", "broadcast_bfp"]


def rounded(mantissas: np.ndarray, rows: bool) -> np.ndarray:
    """To 8 bits with one exponent for each row of a map, or for all."""
    own = (2, 3) if rows and mantissas.ndim == 4 else None
    largest = np.abs(mantissas.astype(np.int64)).max(own, keepdims=True)
    unit = 2.0 ** np.ceil(np.log2(np.maximum(largest, 127) / 127))
    return (np.rint(mantissas / unit) * unit).clip(-32767, 32767).astype(np.int16)


@contextmanager
def rounded_gradients(rows: bool) -> Iterator[None]:
    """int16 gradients of maps hold 8 bits."""

    def rounding(op: Op) -> Op:
        def meaning(*inputs: np.ndarray, **attrs: Any) -> np.ndarray:
            found = op.eval(*inputs, **attrs)
            return rounded(found, rows) if found.dtype == np.int16 else found

        return replace(op, eval=meaning)

    with patch.dict(OPS, {name: rounding(OPS[name]) for name in MAKE_MANTISSAS}):
        yield


def closeness() -> None:
    print("| network | int8 | emulated, an exponent a map | a row |")
    print("|---|--:|--:|--:|", flush=True)
    for name in NETWORKS:
        found = [min(correlations(name, "int8").values())]
        for rows in (False, True):
            with rounded_gradients(rows):
                found.append(min(correlations(name, "int16").values()))
        print(f"| {name} | {' | '.join(f'{value:.4f}' for value in found)} |", flush=True)


@contextmanager
def free_gradients() -> Iterator[None]:
    """Mantissas of a map's gradient, which alone are int8 maps without a scale, take one byte."""

    def nbytes(kind: TensorType) -> int:
        mantissas = kind.dtype == "int8" and kind.quant is None and kind.rank == 4
        return 1 if mantissas else PLAIN(kind)

    with patch.object(TensorType, "nbytes", property(nbytes)):
        yield


def planned(graph: Graph, scheme: tl.UpdateScheme, gradient: str) -> CompiledProgram:
    return tl.compile(graph, None, scheme, target="cortex-m7", stream=True, rollback="step",
                      precision=tl.Int8(gradient=gradient))  # fmt: skip


def row(network: str, name: str, graph: Graph) -> str:
    """One scheme, in Markdown."""
    scheme = SCHEMES[network][name].update_scheme
    made = [planned(graph, scheme, gradient) for gradient in ("int16", "int8")]
    with free_gradients():
        made.append(planned(graph, scheme, "int8"))
        _, alive = peak(made[-1].plan)
    cells = " | ".join(f"{program.arena_bytes:,}" for program in made)
    return f"| {network} | {name} | {cells} | {alive[0].op} {alive[0].name} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the backbones")
    folder = parser.parse_args().data / "models" / "mcunet_int8"
    closeness()
    print("\n| network | scheme | int16 | int8 | no bytes | largest at its peak |")
    print("|---|---|--:|--:|--:|---|", flush=True)
    for network, schemes in SCHEMES.items():
        graph = tl.load(folder / f"{network}.npz", classes=10)
        for name in schemes:
            print(row(network, name, graph), flush=True)


if __name__ == "__main__":
    main()
