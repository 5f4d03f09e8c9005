"""The update scheme: which parameters learn, and with which share of their input channels.

It is the one currency between the algorithms that decide what is worth updating and the
compiler.  Sharing a file is sharing a scheme: TOML with one line a parameter.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainlet.errors import FileError, SchemeError


class _SchemeFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    update: dict[str, float | int] = Field(default_factory=dict)


@dataclass(frozen=True)
class UpdateScheme:
    """{parameter: ratio}; an absent parameter is frozen, ratio is a share of INPUT channels.

    A ratio r in (0, 1) trains the first max(1, round(r * channels)) input channels; 0 freezes.
    Raises SchemeError for a ratio outside 0..1.
    """

    ratios: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, ratio in self.ratios.items():
            number = isinstance(ratio, (int, float)) and not isinstance(ratio, bool)
            if not number or not 0 <= ratio <= 1:
                raise SchemeError(f"parameter {name!r} has ratio {ratio!r}; allowed: 0..1")
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
        """Write the scheme as TOML."""
        Path(path).write_text(self.to_toml(), encoding="utf-8")

    @staticmethod
    def load(path: str | Path) -> UpdateScheme:
        """Read a TOML file; raises FileError for one that is no scheme, SchemeError for a ratio."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FileError(f"{path}: cannot be read: {error}") from None
        return UpdateScheme.from_toml(text, str(path))

    @staticmethod
    def from_toml(text: str, source: str = "scheme") -> UpdateScheme:
        """The scheme of a TOML text; `source` names it in errors."""
        try:
            found = _SchemeFile.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise FileError(f"{source}: not TOML: {error}") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise FileError(
                f"{source}: {where}: {first['msg']}; allowed: a table [update] with one line "
                '"parameter" = ratio for each parameter that learns'
            ) from None
        except RecursionError:
            raise FileError(f"{source}: nested too deeply; a scheme is one flat table") from None
        return UpdateScheme(found.update)
