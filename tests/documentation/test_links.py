"""Links of the pages outside of the site lead somewhere; its build checks the site's own."""

from __future__ import annotations

import re

import pytest

from .scripts import DOCS

ROOT = DOCS.parent
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_to_files(name):
    links = [link for link in LINK.findall((ROOT / name).read_text()) if "://" not in link]
    assert not [link for link in links if not (ROOT / link).exists()]


def test_the_readme_is_one_screen():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 90


def test_every_command_of_the_readme_exists():
    commands = re.findall(r"^(?:make|trainlet) ([\w-]+)", (ROOT / "README.md").read_text(), re.M)
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
    assert {"demo", "test"} <= set(commands) <= set(targets)
