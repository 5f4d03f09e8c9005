"""The update scheme: which parameters learn, and with which share of their input channels.

It is the one currency between the algorithms that decide what is worth updating and the
compiler.  Sharing a file is sharing a scheme: TOML with one line a parameter.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainlet.errors import FileError, SchemeError, shown
from trainlet.ir.files import read_file

SCHEME_BYTES = 8 << 20
DOTS = 10**8
"""Squared, of all lines: tomllib takes quadratic time for the name a.b.c."""


class _SchemeFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    update: dict[str, float | int] = Field(default_factory=dict)


@dataclass(frozen=True)
class UpdateScheme:
    """{parameter: ratio}; an absent parameter is frozen, ratio is a share of INPUT channels.

    A ratio r in (0, 1) trains the first max(1, round(r * channels)) input channels; 0 freezes.
    preset: the name of the one that made it; parameters without a gradient are then left out.
    Raises SchemeError for a ratio outside 0..1.
    """

    ratios: Mapping[str, float] = field(default_factory=dict)
    preset: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.ratios, Mapping):
            raise SchemeError(f"the scheme is {shown(self.ratios)}; allowed: {{parameter: ratio}}, "
                              'such as {"classifier.bias": 1.0}')  # fmt: skip
        for name, ratio in self.ratios.items():
            if not isinstance(name, str):
                raise SchemeError(f"parameter {shown(name)} is not text; allowed: torch's names")
            number = isinstance(ratio, Real) and not isinstance(ratio, bool)
            if not number or not 0 <= ratio <= 1:
                raise SchemeError(
                    f"parameter {shown(name)} has ratio {shown(ratio)}; allowed: 0..1"
                )
        trained = {name: float(ratio) for name, ratio in self.ratios.items() if ratio > 0}
        object.__setattr__(self, "ratios", trained)

    def __getitem__(self, name: str) -> float:
        return self.ratios.get(name, 0.0)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ratios)

    def __len__(self) -> int:
        return len(self.ratios)

    def to_toml(self) -> str:
        """The scheme as TOML, one line a parameter."""
        named = [(json.dumps(n, ensure_ascii=False), r) for n, r in self.ratios.items()]
        lines = [f"{name} = {ratio!r}" for name, ratio in named]
        return "\n".join(["[update]", *lines, ""])

    def save(self, path: str | Path) -> None:
        """Write the scheme as TOML.  Raises FileError where that cannot be."""
        try:
            Path(path).write_text(self.to_toml(), encoding="utf-8")
        except (OSError, TypeError, ValueError) as error:
            raise FileError(f"{path}: cannot be written: {error}") from None

    @staticmethod
    def load(path: str | Path) -> UpdateScheme:
        """Read a TOML file; raises FileError for one that is no scheme, SchemeError for a ratio."""
        try:
            text = read_file(path, SCHEME_BYTES).decode("utf-8")
        except UnicodeDecodeError as error:
            raise FileError(f"{path}: cannot be read: {error}") from None
        return UpdateScheme.from_toml(text, str(path))

    @staticmethod
    def from_toml(text: str, source: str = "scheme") -> UpdateScheme:
        """The scheme of a TOML text; `source` names it in errors.

        Raises FileError for a text that is no scheme, SchemeError for a ratio.
        """
        if not isinstance(text, str):
            raise FileError(f"{source}: {shown(text)} is not text")
        if sum(line.count(".") ** 2 for line in text.splitlines()) > DOTS:
            raise FileError(f"{source}: nested too deeply; a scheme is one flat table")
        try:
            found = _SchemeFile.model_validate(tomllib.loads(text))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise FileError(
                f"{source}: {where}: {first['msg']}; allowed: a table [update] with one line "
                '"parameter" = ratio for each parameter that learns'
            ) from None
        except ValueError as error:  # TOMLDecodeError, or an integer of over 4,300 digits
            raise FileError(f"{source}: not TOML: {error}") from None
        except RecursionError:
            raise FileError(f"{source}: nested too deeply; a scheme is one flat table") from None
        return UpdateScheme(found.update)
