"""C text whose own names get the trainer's prefix, so that several trainers share one unit."""

from __future__ import annotations

import re

_DEFINED = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.MULTILINE)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:.*\\\n)*.*$", re.MULTILINE)
_ASIDE = r'"(?:\\.|[^"\\\n])*"|/\*.*?\*/'  # strings and comments
_ATTRIBUTE = re.compile(r"__attribute__\(\(.*?\)\)")
_FUNCTION = re.compile(r"^\w[\w \t*]*[ *](\w+)\(", re.MULTILINE)
_MADE_BY_MACRO = re.compile(r"^[A-Z][A-Z0-9_]*\((\w+)", re.MULTILINE)
_ARRAY = re.compile(r"^static const \w+ (\w+)\[", re.MULTILINE)
_ENUM = re.compile(r"^enum (?:\w+ )?\{(.*?)\}", re.MULTILINE | re.DOTALL)
_TYPE = re.compile(r"^typedef [^(;{]*?(?:\{[^}]*\}\s*)?(\w+)(?:\([^;]*\))?;", re.MULTILINE)
_WORD = re.compile(r"\w+")


def declared(text: str) -> set[str]:
    """The functions, types, tables and enumerators that a C text declares at its outer level."""
    code = re.sub(_ASIDE, "", text, flags=re.DOTALL)
    code = _ATTRIBUTE.sub("", _DIRECTIVE.sub("", code))
    names = {*_MADE_BY_MACRO.findall(code)}
    for pattern in (_FUNCTION, _ARRAY, _TYPE):
        names.update(pattern.findall(code))
    for body in _ENUM.findall(code):
        names.update(match[0] for item in body.split(",") if (match := _WORD.search(item)))
    return names


def own(text: str, prefix: str) -> str:
    """The text with `prefix` before all that it declares, and its macros undefined at its end."""
    names = declared(text)
    pattern = re.compile(rf"({_ASIDE})|\b({'|'.join(sorted(names))})\b", re.DOTALL)
    named = pattern.sub(lambda m: m[1] or f"{prefix}{m[2]}", text)
    macros = dict.fromkeys(_DEFINED.findall(text))
    return "\n".join([named, *(f"#undef {name}" for name in macros), ""])
