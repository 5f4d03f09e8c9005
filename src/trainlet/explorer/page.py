"""The built page, with the data of a lesson or without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BUILT = Path(__file__).with_name("page.html")
PLACE = '<script type="application/json" id="lesson">null</script>'


def page(lesson: dict[str, Any] | None = None) -> str:
    """The page; without a lesson it asks the server that it came from.

    The data are JSON in a script element of a type that no browser executes; no "<" is left in it.
    """
    text = BUILT.read_text(encoding="utf-8")
    if lesson is None:
        return text
    data = json.dumps(lesson, separators=(",", ":")).replace("<", "\\u003c")
    before, found, after = text.partition(PLACE)
    assert found, f"{BUILT.name} has no place for a lesson"
    return f"{before}{PLACE.replace('null', data)}{after}"
