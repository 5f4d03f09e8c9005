"""Makes text from outside safe to show in a terminal, a picture or a source file."""

from __future__ import annotations


def printable(text: str, most: int | None = None) -> str:
    """The text with an escape, such as \\n or \\u202e, for each character that is not printed:
    controls, marks that turn the direction of writing, halves of pairs.

    most: how many characters of the text are shown before `...`.
    """
    cut = text if most is None or len(text) <= most else text[:most]
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut)
    return shown if cut is text else f"{shown}..."


def plain(text: str, most: int | None = None) -> str:
    """The same in ASCII."""
    return printable(text, most).encode("ascii", "backslashreplace").decode()
