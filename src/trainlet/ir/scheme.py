"""The update scheme: which parameters learn, and of a weight which of its input channels.

It is the one currency between the algorithms that decide what is worth updating and the
compiler.  Sharing a file is sharing a scheme: TOML with one line a parameter.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainlet.errors import FileError, SchemeError, shown
from trainlet.ir.files import read_file

SCHEME_BYTES = 8 << 20
DOTS = 10**8
"""Squared, of all lines: tomllib takes quadratic time for the name a.b.c."""

NORM, LEADING = "norm", "leading"
RULES = (NORM, LEADING)
"""How a share becomes channels: those with the largest weights, or the first ones."""
DEFAULT = LEADING
Indices = tuple[int, ...]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    share: float | int | None = None
    channels: str | list[int] | None = None


class _SchemeFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    update: dict[str, float | int | _Part] = Field(default_factory=dict)


@dataclass(frozen=True)
class UpdateScheme:
    """{parameter: share of its input channels}; an absent parameter is frozen.

    A share r in (0, 1) trains max(1, round(r * channels)) input channels; 0 freezes.  Of a grouped
    convolution, whose input channels belong to groups, it is a share of the groups.  The channels
    are the first ones.  A parameter may also have {"share": r, "channels": "norm"} for those with
    the largest L2 norm of the weight ("leading" is the default), or {"channels": [1, 5, 7]}.

    ratios:   {parameter: share}, of all that are given by a share
    channels: {parameter: how its channels are chosen}, where that is not "leading": "norm", or the
              indices, in ascending order; in the constructor also one rule for all shares
    preset:   the name of the one that made it; parameters without a gradient are then left out.

    Raises SchemeError for a share outside 0..1, and for indices that are no channels.
    """

    ratios: Mapping[str, Any] = field(default_factory=dict)
    preset: str = field(default="", compare=False)
    channels: Mapping[str, str | Indices] | str = DEFAULT

    def __post_init__(self) -> None:
        if not isinstance(self.ratios, Mapping):
            raise SchemeError(f"the scheme is {shown(self.ratios)}; allowed: {{parameter: ratio}}, "
                              'such as {"classifier.bias": 1.0}')  # fmt: skip
        shares: dict[str, float] = {}
        chosen: dict[str, str | Indices] = {}
        own = self.channels if isinstance(self.channels, Mapping) else {}
        every = DEFAULT if isinstance(self.channels, Mapping) else self.channels
        for name in dict.fromkeys((*self.ratios, *own)):
            share, how = _part(name, self.ratios.get(name), own.get(name, every))
            if share is not None:
                shares[name] = share
            if how != DEFAULT and share not in (0.0, 1.0):
                chosen[name] = how
        trained = {name: share for name, share in shares.items() if share > 0}
        object.__setattr__(self, "ratios", trained)
        object.__setattr__(self, "channels", chosen)

    def __getitem__(self, name: str) -> float:
        """The share of a parameter that is given by one; 0 of all others."""
        return self.ratios.get(name, 0.0)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self.ratios or name in self.channels)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self.ratios, *self.channels)))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def entry(self, name: str) -> Any:
        """What the constructor takes for a parameter that learns."""
        how = self.rule(name)
        if isinstance(how, tuple):
            return {"channels": how}
        share = self.ratios[name]
        return share if how == DEFAULT else {"share": share, "channels": how}

    def rule(self, name: str) -> str | Indices:
        """How the channels of a parameter are chosen: one of RULES, or their indices."""
        return self.channels.get(name, DEFAULT)  # type: ignore[union-attr]

    def to_toml(self) -> str:
        """The scheme as TOML, one line a parameter."""
        lines = [f"{json.dumps(name, ensure_ascii=False)} = {self._value(name)}" for name in self]
        return "\n".join(["[update]", *lines, ""])

    def _value(self, name: str) -> str:
        how = self.rule(name)
        if isinstance(how, tuple):
            return f"{{ channels = {list(how)} }}"
        share = repr(self.ratios[name])
        return share if how == DEFAULT else f'{{ share = {share}, channels = "{how}" }}'

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
                '"parameter" = ratio for each parameter that learns; in the place of a ratio also '
                '{ share = ratio, channels = "norm" or "leading" }, or { channels = [indices] }'
            ) from None
        except ValueError as error:  # TOMLDecodeError, or an integer of over 4,300 digits
            raise FileError(f"{source}: not TOML: {error}") from None
        except RecursionError:
            raise FileError(f"{source}: nested too deeply; a scheme is one flat table") from None
        return UpdateScheme({name: _given(value) for name, value in found.update.items()})


def _given(value: float | _Part) -> Any:
    return value.model_dump(exclude_none=True) if isinstance(value, _Part) else value


def _part(name: Any, given: Any, how: Any) -> tuple[float | None, str | Indices]:
    """The share of a parameter, and how its channels are chosen; no share where they are given.

    given: the parameter's entry; how: what the entry does not say itself
    """
    if not isinstance(name, str):
        raise SchemeError(f"parameter {shown(name)} is not text; allowed: torch's names")
    if isinstance(given, Mapping):
        if unknown := [key for key in given if key not in ("share", "channels")]:
            raise SchemeError(f"parameter {shown(name)} has {shown(unknown[0])}; allowed: share, "
                              "channels")  # fmt: skip
        given, how = given.get("share"), given.get("channels", how)
    if isinstance(how, str):
        if how not in RULES:
            raise SchemeError(
                f"parameter {shown(name)} has channels {shown(how)}; allowed: "
                f"{', '.join(map(repr, RULES))}, or a list of indices"
            )
    else:
        if given is not None:
            raise SchemeError(
                f"parameter {shown(name)} has a share, {shown(given)}, and indices of channels; "
                "give one of the two"
            )
        return None, _indices(name, how)
    number = isinstance(given, Real) and not isinstance(given, bool)
    if not number or not 0 <= given <= 1:  # type: ignore[operator]
        raise SchemeError(f"parameter {shown(name)} has ratio {shown(given)}; allowed: 0..1")
    return float(given), how  # type: ignore[arg-type]


def _indices(name: str, given: Any) -> Indices:
    """Indices of channels in ascending order; raises SchemeError."""
    where = f"parameter {shown(name)} has channels {shown(given)}; allowed: "
    try:
        listed = list(given)
    except TypeError:
        raise SchemeError(f"{where}{', '.join(map(repr, RULES))}, or a list of indices") from None
    if not listed:
        raise SchemeError(f"{where}at least one index; leave the parameter out to freeze it")
    for index in listed:
        whole = isinstance(index, Integral) and not isinstance(index, bool)
        if not whole or not 0 <= index < 2**31:  # type: ignore[operator]
            raise SchemeError(f"{where}whole numbers from 0 on; found {shown(index)}")
    indices = tuple(sorted(int(index) for index in listed))
    if len(set(indices)) < len(indices):
        raise SchemeError(f"{where}each index once")
    return indices
