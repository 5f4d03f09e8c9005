"""A hook of MkDocs: every decision is in the navigation, without a list that grows old."""

from __future__ import annotations

from pathlib import Path


def on_config(config):
    """The last section of the navigation gets the decisions, in the order of their numbers."""
    docs = Path(config.docs_dir)
    pages = sorted(p.relative_to(docs).as_posix() for p in docs.glob("decisions/*.md"))
    config.nav[-1]["Design"].append({"Decisions": pages})
    return config
