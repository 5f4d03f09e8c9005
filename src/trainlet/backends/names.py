"""Turns text from outside into C identifiers and comments.

No name of a model, scheme, file or option reaches generated code but through this module.
docs/c-project.md says what a user can rely on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from trainlet.backends.reserved import PREFIXES, WORDS
from trainlet.errors import TrainletError
from trainlet.ir.printable import plain

COMMENT = 72
"""Characters of a name that a comment shows."""
IDENTIFIER = 48
"""Characters of a name that an identifier keeps."""
PREFIX = 40
"""Characters of a prefix: file names are made of it."""
OTHER, FUNCTION = "input_", "quantize_"
_PREFIX = re.compile(r"[a-z][a-z0-9_]*")


def comment(text: str) -> str:
    """A C comment of one line that shows the text; whatever it holds, the comment ends where it
    should."""
    shown = plain(text, COMMENT)
    shown = shown.replace("*/", "* /").replace("/*", "/ *")
    return f"/* {re.sub(r'[?](?=[?])', '? ', shown)} */"


def input_symbols(names: Iterable[str]) -> dict[str, str]:
    """What each input is called in C: its own name, unless C or the trainer uses that.

    Characters that C does not know become underscores, a name without a small letter gets small
    ones, for it may be a macro, and `input_` goes before a word that is taken.  Names that differ
    only in case, or no more, get a number in the order of the inputs.
    """
    return _unlike(names, _input_symbol)


def _input_symbol(name: str) -> str:
    symbol = _identifier(name)
    if symbol == symbol.upper():
        symbol = symbol.lower()
    taken = symbol.lower() in WORDS or symbol.lower().startswith(FUNCTION)
    return f"{OTHER}{symbol}" if taken or not symbol[:1].isalpha() else symbol


def result_symbols(outputs: Sequence[str], inputs: Iterable[str]) -> list[str]:
    """What the outputs are called in C: `logits` where it is one, else `output_` and the name.

    inputs: the identifiers that are taken
    """
    return _beside("output_", outputs, inputs) if len(outputs) > 1 else ["logits"]


def target_symbols(targets: Sequence[str], taken: Iterable[str]) -> list[str]:
    """What the targets are called in C: `target` where it is one, else `target_` and the name."""
    return _beside("target_", targets, taken) if len(targets) > 1 else ["target"] * len(targets)


def _beside(start: str, names: Sequence[str], taken: Iterable[str]) -> list[str]:
    symbols = _unlike(names, lambda name: f"{start}{_identifier(name)}", taken)
    return [symbols[name] for name in names]


def leaf_symbols(names: Iterable[str]) -> dict[str, str]:
    """The part of an identifier that stands for each parameter; never an identifier alone."""
    return _unlike(names, _identifier)


def _identifier(name: str) -> str:
    """Letters, digits and single underscores; the trainer's own names have two in a row."""
    return re.sub(r"[\W_]+", "_", name, flags=re.ASCII)[:IDENTIFIER].strip("_") or "unnamed"


def _unlike(
    names: Iterable[str], make: Callable[[str], str], taken: Iterable[str] = ()
) -> dict[str, str]:
    """An identifier for each name; no two are equal, nor equal to one of `taken`, whatever their
    case."""
    found: dict[str, str] = {}
    used = {symbol.lower() for symbol in taken}
    for name in names:
        base = make(name)
        symbol, k = base, 2
        while symbol.lower() in used:
            symbol, k = f"{base}_{k}", k + 1
        found[name] = symbol
        used.add(symbol.lower())
    return found


def check_prefix(prefix: str) -> str:
    """The prefix itself; raises TrainletError for one that cannot begin the names of a project."""
    if not isinstance(prefix, str):
        raise TrainletError(f"prefix={type(prefix).__name__}; allowed: text")
    why = _refused(prefix)
    if why is None:
        return prefix
    shown = repr(plain(prefix, PREFIX))
    raise TrainletError(f"prefix {shown} {why}; try {_instead(prefix)!r}")


def is_prefix(text: str) -> bool:
    """Whether a project can have the text as its prefix."""
    return _refused(text) is None


def _refused(prefix: str) -> str | None:
    if not _PREFIX.fullmatch(prefix) or "__" in prefix or prefix.endswith("_"):
        return (
            "is not allowed: it must be a lower-case letter, then lower-case letters, digits and "
            "single underscores, with no underscore at the end"
        )
    if len(prefix) > PREFIX:
        return f"has {len(prefix)} characters, and at most {PREFIX} are allowed"
    if prefix.endswith(("_kernels", "_weights", "_example")):
        return "ends like a file of another trainer"
    return PREFIXES.get(prefix)


def _instead(prefix: str) -> str:
    """A prefix that is like this one and allowed."""
    letters = re.sub(r"[\W_]+", "_", prefix.lower(), flags=re.ASCII).strip("_")
    cut = letters[: PREFIX - len("trainer_")].strip("_")
    named = cut if cut[:1].isalpha() else f"trainer_{cut}".strip("_")
    return named if _refused(named) is None else f"{named}_trainer"
