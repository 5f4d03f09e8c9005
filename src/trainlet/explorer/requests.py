"""What the page may ask for.  Everything else is refused before anything runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from trainlet.ir.scheme import UpdateScheme
from trainlet.ops.optimizer import OPTIMIZERS, Optimizer

Precision = Literal["float32", "int8"]
Adapter = Literal["none", "lora", "tinytl"]
BATCHES = (1, 2, 4, 8, 16, 32)
MOST_DEVICES = 32
"""Of a fleet."""
LONGEST = 100_000
"""Bytes of a request's body."""


def _known(optimizer: str) -> str:
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"allowed: {', '.join(OPTIMIZERS)}")
    return optimizer


class Strict(BaseModel):
    """No unknown fields, and no conversions of types but JSON's own."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Forward(Strict):
    """A network as it computes forward.

    batch: examples of a step, one of BATCHES
    """

    precision: Precision = "float32"
    batch: Annotated[int, Field(ge=1, le=BATCHES[-1])] = 1


class Setting(Forward):
    """What learns, and how.

    scheme: {parameter: share of its input channels}, or a preset's name
    """

    scheme: (
        Annotated[
            dict[Annotated[str, Field(max_length=300)], Annotated[float, Field(gt=0, le=1)]],
            Field(max_length=2000),
        ]
        | Annotated[str, Field(max_length=20)]
    )
    adapter: Adapter = "none"
    optimizer: Annotated[str, AfterValidator(_known)] = "sgd"

    def update_scheme(self) -> UpdateScheme | str:
        """As `trainlet.train` takes it."""
        return self.scheme if isinstance(self.scheme, str) else UpdateScheme(dict(self.scheme))

    def make_optimizer(self) -> Optimizer:
        """With its own default rate."""
        return OPTIMIZERS[self.optimizer]()

    @property
    def key(self) -> str:
        """The same for two settings that are the same."""
        return self.model_dump_json()


Amount = Annotated[int, Field(gt=0, lt=1 << 40)]


class Design(Forward):
    """Limits of the programs to search among; None: no limit.

    ram: bytes, with the reserved stack; flash: bytes without code; instructions: of a step
    """

    ram: Amount | None = None
    flash: Amount | None = None
    instructions: Amount | None = None


class Recomputed(Setting):
    """arena: bytes that the arena shall not exceed, where recomputation can reach that."""

    arena: Annotated[int, Field(gt=0, lt=1 << 32)]


class Lesson(Setting):
    """A training on the user's data, on this machine.

    rate: of learning
    """

    epochs: Annotated[int, Field(ge=1, le=20)] = 3
    rate: Annotated[float, Field(gt=0, le=10)] = 0.01


class Federated(Setting):
    """Rounds of a fleet on this machine.

    division: the data of a person each, or a share of each class that is small or large by chance
    (few) or about equal (alike); devices: how many of these; share: what of an update is sent
    """

    division: Literal["person", "few", "alike"]
    devices: Annotated[int, Field(ge=2, le=MOST_DEVICES)]
    share: Literal["none", "int8", "topk:0.1,int8", "sign"]
    rounds: Annotated[int, Field(ge=0, le=20)]
    rate: Annotated[float, Field(gt=0, le=1)]
