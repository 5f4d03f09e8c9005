"""What every package holds: a name, a version, C files, and an example that reads a sensor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from trainlet.backends.reserved import PREFIXES
from trainlet.errors import TrainletError, shown
from trainlet.export.project import Project
from trainlet.ops.literal import literal

Files = Mapping[str, str | bytes]
"""The files of a package: path inside it -> contents."""
PLACEHOLDER = "https://example.com/"
"""Where a package without a page of its own points to: some ecosystems require an address."""
FLAGS = ("-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-strict-aliasing",
         "-DTRAINLET_NO_STRICT_ALIASING")  # fmt: skip
"""For speed, with the figures of the report; without them the bits are the same."""
_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_VERSION = re.compile(r"(?:0|[1-9]\d{0,4})(?:\.(?:0|[1-9]\d{0,4})){2}", re.ASCII)
_AUTHOR = re.compile(r"[^\W_][\w .,'()+-]{0,62}[\w.)]")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d+)?(?:/[A-Za-z0-9._~/%+-]*)?")


@dataclass(frozen=True)
class About:
    """What a manifest says of a package; no other text of a user reaches its files.

    name: lower-case words with hyphens between them, "" for trainlet-PREFIX; version: three
    numbers; author: who publishes it; url: its page
    Raises TrainletError for what no ecosystem takes.
    """

    name: str = ""
    version: str = "0.1.0"
    author: str = "Trainlet"
    url: str = ""

    def __post_init__(self) -> None:
        rules = [
            ("name", _NAME, 40, "lower-case words with hyphens between them, as in my-trainer"),
            ("version", _VERSION, 20, "three numbers, as in 1.0.2"),
            ("author", _AUTHOR, 64, "letters, digits, spaces and .,'()+- in one line"),
            ("url", _URL, 200, "an address that begins with https:// or http://"),
        ]
        for what, pattern, most, allowed in rules:
            text = getattr(self, what)
            given = isinstance(text, str) and len(text) <= most and pattern.fullmatch(text)
            if not given and (text != "" or what not in ("name", "url")):
                raise TrainletError(f"{what} {shown(text)} of a package; allowed: {allowed}, at "
                                    f"most {most} characters")  # fmt: skip

        if self.name in PREFIXES or self.name.startswith("arduino"):
            raise TrainletError(
                f"{self.name!r} cannot be the name of a package: build tools and Arduino's own "
                f"libraries use it; try 'my-{self.name}'"
            )

    @property
    def page(self) -> str:
        """Its url, or a placeholder."""
        return self.url or f"{PLACEHOLDER}{self.name}"

    @property
    def summary(self) -> str:
        return f"A neural network that learns on the device ({self.name})"


@dataclass(frozen=True)
class Package:
    """A trainer and C libraries on their way into an ecosystem.

    libraries: the C files of `trainlet library`; parts: which of its parts these are
    """

    about: About
    project: Project
    libraries: Mapping[str, bytes]
    parts: tuple[str, ...]

    @property
    def sources(self) -> dict[str, bytes]:
        """All C files by name."""
        return {**self.project.sources, **self.libraries}

    def under(self, folder: str) -> dict[str, bytes]:
        """All C files by their path below a folder."""
        return {f"{folder}/{name}": content for name, content in self.sources.items()}

    @property
    def units(self) -> list[str]:
        """The names of the files to compile."""
        return sorted(name for name in self.sources if name.endswith(".c"))

    def fill(self, template: str, **more: Any) -> str:
        """The text of a template of the folder `templates`, whose name is this and `.jinja`."""
        api, p = self.project.api, self.project.api.prefix
        given = [f"{x.name}_rows, 0" if x.rows else f"{p}_{x.name}()" for x in api.inputs]
        values = {
            "about": self.about,
            "api": api,
            "p": p,
            "P": p.upper(),
            "lr": literal(api.lr),
            "given": ", ".join(given),
            "outputs": ", ".join(y.name for y in api.outputs),
            "targets": "".join(f"{t.name}, " for t in api.targets),
            "labelled": bool(api.targets and api.targets[0].below),
            "units": self.units,
            "parts": self.parts,
            "flags": FLAGS,
        }
        return _templates().get_template(f"{template}.jinja").render(values, **more)


@cache
def _templates() -> Environment:
    loader = PackageLoader("trainlet.export", "templates")
    return Environment(
        loader=loader, undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
