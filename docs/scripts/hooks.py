"""Hooks of MkDocs: pages made from the sources, and a check that the site needs no network."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parent))
import c_api
import python_api

# What a browser fetches without a click: scripts, style sheets, pictures, fonts, frames.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|video|audio|source|embed)\b[^>]*\bsrc=["']?(?:https?:)?//[^>]*"""
    r"""|<link\b(?![^>]*rel=["']?canonical)[^>]*\bhref=["']?(?:https?:)?//[^>]*"""
    r"""|url\(["']?(?:https?:)?//[^)]*|@import[^;]*//[^;]*"""
)


def on_config(config):
    """The last section of the navigation gets the decisions, in the order of their numbers."""
    docs = Path(config.docs_dir)
    pages = sorted(p.relative_to(docs).as_posix() for p in docs.glob("decisions/*.md"))
    config.nav[-1]["Design"].append({"Decisions": pages})
    return config


def on_files(files, config):
    """The references that are made from the sources."""
    pages = {
        "c-libraries": c_api.libraries_page(),
        "python-api": python_api.names_page(),
        "python-modules": python_api.modules_page(),
    }
    for name, text in pages.items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def on_post_page(output: str, page, config) -> str:
    """Raise PluginError if the page fetches anything that is not a part of the site."""
    if found := FETCHED.search(output):
        raise PluginError(f"{page.file.src_path} fetches {found[0][:120]}; put it into docs/")
    return output
