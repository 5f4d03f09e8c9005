"""What other options would cost, and which of them fit a target: planned only when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any

from trainlet.errors import TrainletError
from trainlet.ir.scheme import UpdateScheme
from trainlet.ops.optimizer import SGD, Optimizer
from trainlet.ops.quantized.precision import BIAS_BITS, EXTRA_BITS, GRADIENTS, HEAD_BITS, Int8
from trainlet.planning.limits import Limits, needed
from trainlet.planning.program import Program
from trainlet.planning.report import ProgramChoice
from trainlet.planning.undo import STEPS_ALONE, Rollback

MOST_RECOMPUTE = 2.0


@dataclass(frozen=True)
class Asked:
    """The options of `compile` that decide about bytes; batch None is the example's."""

    scheme: UpdateScheme
    precision: Int8 | None
    optimizer: Optimizer
    accumulate: int = 1
    stream: bool | str = False
    max_recompute: float | None = 1.33
    batch: int | None = None
    rollback: Rollback = True


@dataclass(frozen=True)
class Change:
    """Another value of an option, as it is written in Python and on the command line."""

    option: str
    value: Any
    python: str
    command: str


@dataclass(frozen=True)
class Options:
    """The programs that may be asked for.

    own:      what was asked for
    least:    bytes of RAM and of Flash that a program needs at least, known without a plan
    program:  the program, planned
    schemes:  others by the names of their presets
    batch:    of the example, if a smaller one can be compiled
    quantise: whether a float32 network can be trained in int8
    """

    own: Asked
    limits: Limits
    least: Callable[[Asked], tuple[int, int]]
    program: Callable[[Asked], Program]
    schemes: Mapping[str, UpdateScheme]
    batch: int | None
    quantise: bool

    def single(self) -> tuple[ProgramChoice, ...]:
        """Each change alone, the one that changes least for the user first."""
        return tuple(choice for _, choice in self._singles())

    def fitting(self) -> tuple[ProgramChoice, ...]:
        """The changes that make the program fit; if none does alone, several together."""
        singles = self._singles()
        alone = tuple(choice for _, choice in singles if choice.fits)
        return alone or tuple(self._together([change for change, _ in singles]))

    def gradients(self) -> tuple[ProgramChoice, ...]:
        """Every precision of gradients with every number of extra bits; nothing in float32."""
        own = self.own.precision
        if own is None:
            return ()
        pairs = product(GRADIENTS, EXTRA_BITS)
        every = [replace(own, gradient=gradient, extra_bits=bits) for gradient, bits in pairs]
        found = (self._choice([_precision(other, own)]) for other in every)
        return tuple(choice for choice in found if choice)

    def hints(self) -> list[str]:
        """Options that need less, unplanned: of each the smallest, and nothing else changed."""
        smallest: dict[str, Change] = {}
        for change in self.changes():
            what = change.option
            if isinstance(change.value, Int8) and self.own.precision:
                differs = [
                    f.name
                    for f in fields(Int8)
                    if getattr(change.value, f.name) != getattr(self.own.precision, f.name)
                ]
                if len(differs) > 1:
                    continue
                what = differs[0]
            if what == "scheme":
                what = change.python
            smallest[what] = change
        return [change.python for change in smallest.values()]

    def changes(self) -> list[Change]:
        """All changes: first those that keep every bit of the result, then those that change bits,
        then those that change what is trained."""
        return [*self._same_bits(), *self._other_bits(), *self._other_lessons()]

    def _same_bits(self) -> Iterator[Change]:
        own = self.own
        if own.max_recompute is None or own.max_recompute < MOST_RECOMPUTE:
            most = f"{MOST_RECOMPUTE:g}"
            yield Change(
                "max_recompute", MOST_RECOMPUTE, f"max_recompute={most}", f"--max-recompute {most}"
            )
        if not own.stream:
            yield Change("stream", True, "stream=True", "--stream")
        if own.rollback is True:
            yield Change("rollback", STEPS_ALONE, 'rollback="step"', "--load-twice")
        if own.rollback:
            yield Change("rollback", False, "rollback=False", "--no-rollback")

    def _other_bits(self) -> Iterator[Change]:
        own = self.own.precision
        if own is None:
            smallest = Int8(extra_bits=EXTRA_BITS[0], float_head=False, gradient=GRADIENTS[-1],
                            bias_bits=BIAS_BITS[-1])  # fmt: skip
            for other in (Int8(), smallest) if self.quantise else ():
                made = _precision(other, Int8())
                python = f"{made.python}, calibration=batches"
                command = f"--precision int8 --calibration NPZ {made.command}".rstrip()
                yield replace(made, python=python, command=command)
            return
        smaller = GRADIENTS[GRADIENTS.index(own.gradient) :]
        fewer = [bits for bits in EXTRA_BITS[::-1] if bits <= own.extra_bits]
        shorter_head = HEAD_BITS[HEAD_BITS.index(own.head_bits) :] if own.qas else (own.head_bits,)
        heads = [(True, bits) for bits in shorter_head] if own.float_head else []
        shorter = BIAS_BITS[BIAS_BITS.index(own.bias_bits) :]
        for head, bias, bits, gradient in product([*heads, (False, 32)], shorter, fewer, smaller):
            other = replace(
                own, float_head=head[0], head_bits=head[1], bias_bits=bias, extra_bits=bits,
                gradient=gradient,
            )  # fmt: skip
            if other != own:
                yield _precision(other, own)

    def _other_lessons(self) -> Iterator[Change]:
        own = self.own
        groups = getattr(own.optimizer, "groups", {})
        if own.optimizer != SGD(own.optimizer.lr, groups=groups):
            python = f"optimizer=tl.SGD({f'groups={dict(groups)!r}' if groups else ''})"
            yield Change("optimizer", SGD(groups=groups), python, "--optimizer sgd")
        if own.accumulate > 1:
            yield Change("accumulate", 1, "accumulate=1", "--accumulate 1")
        if self.batch is not None and self.batch > 1:
            yield Change("batch", 1, "an example of batch 1", "a network exported with batch 1")
        for name, scheme in self.schemes.items():
            if not set(own.scheme) <= set(scheme):
                yield Change("scheme", scheme, f'scheme="{name}"', f"--scheme {name}")

    def _singles(self) -> list[tuple[Change, ProgramChoice]]:
        """Without those that do not go with the network."""
        every = ((change, self._choice([change])) for change in self.changes())
        return [(change, choice) for change, choice in every if choice]

    def _together(self, changes: list[Change]) -> Iterator[ProgramChoice]:
        """The fewest of the changes, in their order, that fit together; with each scheme else."""
        strongest = {change.option: change for change in changes if change.option != "scheme"}
        own = list(strongest.values())
        every = self._choice(own)
        if every and every.fits:
            low, high, best = 2, len(own), every
            while low < high:
                middle = (low + high) // 2
                tried = self._choice(own[:middle])
                fits = tried is not None and tried.fits
                low, high = (low, middle) if fits else (middle + 1, high)
                best = tried if tried and fits else best
            yield best
            return
        for change in changes:
            tried = self._choice([*own, change]) if change.option == "scheme" else None
            if tried and tried.fits:
                yield tried

    def _choice(self, changes: list[Change]) -> ProgramChoice | None:
        """Planned, unless what is known without a plan is too much already; None if the network
        cannot be compiled so."""
        asked = replace(self.own, **{change.option: change.value for change in changes})
        precision = asked.precision
        try:
            ram, flash = self.least(asked)
            arena = parameters = 0
            if self.limits.allow(ram, flash):
                program = self.program(asked)
                ram, flash = needed(program)
                arena = program.arena_bytes
                parameters = sum(n.type.nbytes for n in program.params)
        except TrainletError:
            return None
        return ProgramChoice(
            precision.gradient if precision else "float32",
            precision.extra_bits if precision else 0,
            arena,
            parameters,
            ram - self.limits.stack,
            asked == self.own,
            ", ".join(change.python for change in changes),
            " ".join(change.command for change in changes),
            flash,
            self.limits.allow(ram, flash),
        )


def _precision(other: Int8, own: Int8) -> Change:
    """Written with what differs from the default; on the command line also from what was asked."""

    def differing(*usual: Int8) -> dict[str, Any]:
        given = {f.name: getattr(other, f.name) for f in fields(Int8)}
        return {k: v for k, v in given.items() if any(v != getattr(u, k) for u in usual)}

    words = {
        "gradient": f"--gradient {other.gradient}",
        "extra_bits": f"--extra-bits {other.extra_bits}",
        "bias_bits": f"--bias-bits {other.bias_bits}",
        "head_bits": f"--head-bits {other.head_bits}",
        "float_head": "--float-head" if other.float_head else "--no-float-head",
    }
    python = ", ".join(f"{k}={v!r}".replace("'", '"') for k, v in differing(Int8()).items())
    command = " ".join(words[k] for k in differing(Int8(), own) if k in words)
    return Change("precision", other, f"precision=tl.Int8({python})", command)
