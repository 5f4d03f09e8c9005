"""The folder of real data: TRAINLET_DATA, or the one that the Makefile takes."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("TRAINLET_DATA", ROOT.parent / "shared" / "data"))
STORIES = FOLDER / "models" / "stories260K"
