"""Draws the pictures of docs/images that show the demo's program; a minute or two.

    python docs/scripts/pictures.py

The others come from measurements: schemes-*.svg from `make bench-schemes`, fleet.svg from
`make bench-fleet`, contribution.svg from `trainlet search --picture`.
"""

from __future__ import annotations

from pathlib import Path

from trainlet.demo.days import lived, result_of
from trainlet.demo.personalise import bundled_given, compile_device
from trainlet.demo.pictures import MEMORY_TITLE, draw_life, draw_loss
from trainlet.demo.twin import Twin
from trainlet.pictures.memory import draw_memory
from trainlet.pictures.profile import draw_profile

IMAGES = Path(__file__).parents[1] / "images"

if __name__ == "__main__":
    given = bundled_given()
    program = compile_device(given.factory)
    draw_memory(program.report, IMAGES / "memory.svg", MEMORY_TITLE)
    draw_profile(program.profile(), IMAGES / "profile.svg")
    with program.build("host") as trainer:
        found = result_of(lived(Twin(trainer), given))
    draw_loss(IMAGES / "loss.svg", given, found)
    draw_life(IMAGES / "life.svg", given, found)
