"""The option --section: where a firmware's linker places parts of a trainer."""

from __future__ import annotations

from typing import Annotated

import typer

from trainlet.backends.sections import PARTS, sections_of
from trainlet.errors import TargetError, shown

SectionNames = Annotated[
    list[str],
    typer.Option(
        "--section",
        metavar="PART=NAME",
        help=f"linker section of {', '.join(PARTS)}: arena=.dtcm; may be repeated",
    ),
]
NO_SECTIONS: list[str] = []


def placed(given: list[str]) -> dict[str, str]:
    """The section of each part; raises TargetError."""
    found: dict[str, str] = {}
    for text in given:
        part, equals, name = text.partition("=")
        if not equals or part in found:
            raise TargetError(
                f"--section {shown(text)}; allowed: PART=NAME, once for each of {', '.join(PARTS)},"
                " such as arena=.dtcm"
            )
        found[part] = name
    return sections_of(found)
