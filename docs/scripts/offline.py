"""A hook of MkDocs: the built page asks nothing of another machine.  Links to read on are fine."""

from __future__ import annotations

import re

from mkdocs.exceptions import PluginError

# What a browser fetches without a click: scripts, style sheets, pictures, fonts, frames.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|video|audio|source|embed)\b[^>]*\bsrc=["']?(?:https?:)?//[^>]*"""
    r"""|<link\b(?![^>]*rel=["']?canonical)[^>]*\bhref=["']?(?:https?:)?//[^>]*"""
    r"""|url\(["']?(?:https?:)?//[^)]*|@import[^;]*//[^;]*"""
)


def on_post_page(output: str, page, config) -> str:
    """Raise PluginError if the page fetches anything that is not a part of the site."""
    if found := FETCHED.search(output):
        raise PluginError(f"{page.file.src_path} fetches {found[0][:120]}; put it into docs/")
    return output
