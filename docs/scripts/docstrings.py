"""An extension of Griffe: lines `name: meaning` of a docstring become a list in Markdown."""

from __future__ import annotations

import re

from griffe import Extension, Object

ARGUMENT = re.compile(r"^([\w*.]+(?:, [\w*.]+)*): +(?=\S)")


def markdown(text: str) -> str:
    """The docstring with a list of its arguments.

    A line continues an argument if it is indented, or if the line before it ends no sentence.
    """
    lines: list[str] = []
    in_list = False
    for line in text.splitlines():
        found = ARGUMENT.match(line)
        if found:
            lines += [] if in_list else [""]
            lines.append(f"- **{found[1]}**: {line[found.end() :]}")
            in_list = True
        elif in_list and line and (line.startswith(" ") or lines[-1][-1] not in ".:;"):
            lines.append(f"  {line.strip()}")
        else:
            lines += ["", line] if in_list and line else [line]
            in_list = False
    return re.sub(r"(?<=[.:]) {2}(?=\S)", " ", "\n".join(lines))


class Arguments(Extension):
    """Changes every docstring that has such lines."""

    def on_object(self, *, obj: Object, **_) -> None:
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)
