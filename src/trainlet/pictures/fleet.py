"""A fleet as an animation: devices whose data never move, messages, and accuracy over rounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

SECONDS = 0.8  # a round
MOST = 48  # devices that are drawn
CENTRE, ORBIT, DEVICE = (170, 170), 130, 13
LEFT, TOP, WIDE, HIGH = 370, 40, 320, 250
BLUE, RED, GREY = "#2b6cb0", "#c05621", "#718096"


def draw_fleet(accuracy: Sequence[float], examples: Sequence[int], path: str | Path) -> None:
    """Write an .svg file that moves by itself.

    accuracy: of the model in 0..1, before the first round and after each; examples: of each device
    """
    rounds = max(len(accuracy) - 1, 1)
    shown = list(examples[:MOST])
    parts = [*_devices(shown, rounds), *_curve(accuracy, rounds)]
    body = "\n".join(parts)
    Path(path).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 340" font-family="sans-serif" '
        f'font-size="12" fill="#1a202c">\n<rect width="720" height="340" fill="white"/>\n'
        f"{body}\n</svg>\n",
        encoding="utf-8",
    )


def _devices(examples: Sequence[int], rounds: int) -> list[str]:
    """The server, the devices with a dot for some of their examples, and a message from each."""
    x, y = CENTRE
    found = [f'<text x="{x}" y="330" text-anchor="middle">{len(examples)} devices; the data '
             "(dots) stay</text>"]  # fmt: skip
    most = max(examples, default=1)
    for k, count in enumerate(examples):
        angle = 2 * math.pi * k / len(examples)
        u, v = x + ORBIT * math.cos(angle), y + ORBIT * math.sin(angle)
        found.append(f'<circle cx="{u:.1f}" cy="{v:.1f}" r="{DEVICE}" fill="#ebf8ff" '
                     f'stroke="{BLUE}"/>')  # fmt: skip
        for dot in range(max(1, round(7 * count / most))):
            turn, far = 2.4 * dot, 3.2 * math.sqrt(dot)
            at = f'cx="{u + far * math.cos(turn):.1f}" cy="{v + far * math.sin(turn):.1f}"'
            found.append(f'<circle {at} r="1.5" fill="{GREY}"/>')
        found.append(
            f'<circle r="3" fill="{RED}"><animateMotion dur="{SECONDS}s" repeatCount="indefinite" '
            f'path="M{u:.1f},{v:.1f} L{x},{y}" keyPoints="0;1;0" keyTimes="0;0.5;1" '
            'calcMode="linear"/></circle>'
        )
    found.append(f'<circle cx="{x}" cy="{y}" r="26" fill="{BLUE}"/><text x="{x}" y="{y + 4}" '
                 'fill="white" text-anchor="middle">server</text>')  # fmt: skip
    return found


def _curve(accuracy: Sequence[float], rounds: int) -> list[str]:
    """Axes, and the line, which grows by one round after the other."""
    low = math.floor(10 * min(accuracy)) / 10
    high = max(math.ceil(10 * max(accuracy)) / 10, low + 0.1)
    points = [
        (LEFT + WIDE * k / rounds, TOP + HIGH * (high - value) / (high - low))
        for k, value in enumerate(accuracy)
    ]
    below = TOP + HIGH
    found = [
        f'<path d="M{LEFT},{TOP} V{below} H{LEFT + WIDE}" fill="none" stroke="{GREY}"/>',
        f'<text x="{LEFT + WIDE / 2}" y="{below + 32}" text-anchor="middle">rounds</text>',
        f'<text x="{LEFT}" y="{TOP - 14}">accuracy of the common model</text>',
        f'<text x="{LEFT}" y="{below + 16}">0</text>',
        f'<text x="{LEFT + WIDE}" y="{below + 16}" text-anchor="end">{rounds}</text>',
    ]
    for value in (low, high):
        y = TOP + HIGH * (high - value) / (high - low)
        found.append(f'<text x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{value:.0%}</text>')
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    length = sum(math.dist(a, b) for a, b in pairwise(points)) or 1.0
    found.append(
        f'<polyline points="{line}" fill="none" stroke="{RED}" stroke-width="2.5" '
        f'stroke-dasharray="{length:.0f}"><animate attributeName="stroke-dashoffset" '
        f'from="{length:.0f}" to="0" dur="{SECONDS * rounds:.1f}s" fill="freeze"/></polyline>'
    )
    x, y = points[-1]
    found.append(f'<text x="{x:.0f}" y="{y - 8:.0f}" text-anchor="end" fill="{RED}">'
                 f"{accuracy[-1]:.1%}</text>")  # fmt: skip
    return found
