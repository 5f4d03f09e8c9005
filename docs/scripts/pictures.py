"""Draws the pictures of docs/images that show the demo's program; a minute or two.

    python docs/scripts/pictures.py

The others come from measurements: schemes-*.svg from `make bench-schemes`, fleet.svg from
`make bench-fleet`, contribution.svg from `trainlet search --picture`.
"""

from __future__ import annotations

from pathlib import Path

from trainlet.demo.personalise import bundled_lesson, compare, compile_spotter, exported_spotter
from trainlet.demo.pictures import MEMORY_TITLE, draw_loss
from trainlet.pictures.memory import draw_memory
from trainlet.pictures.profile import draw_profile

IMAGES = Path(__file__).parents[1] / "images"

if __name__ == "__main__":
    given, program = bundled_lesson(), compile_spotter(exported_spotter(), "int8")
    draw_memory(program.report, IMAGES / "memory.svg", MEMORY_TITLE)
    draw_profile(program.profile(), IMAGES / "profile.svg")
    draw_loss(IMAGES / "loss.svg", given, compare(program, given, "host"))
