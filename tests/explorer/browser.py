"""A real browser, without a network, for the tests of the page."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE = 120_000  # ms


@contextmanager
def opened(url: str, width: int = 1200, height: int = 900) -> Iterator[Any]:
    """A page at an address; at its end there was no error, and no request to anybody else.

    Skips where Chromium or Playwright is absent.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium: install the package chromium")
    errors: list[str] = []
    requests: list[str] = []
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(PATIENCE)
        context.on("request", lambda request: requests.append(request.url))
        context.on("weberror", lambda error: errors.append(str(error.error)))
        page = context.new_page()
        page.on("console", lambda m: m.type in ("error", "warning") and errors.append(m.text))
        page.goto(url)
        page.wait_for_selector("h2")
        yield page
        browser.close()
    assert not errors
    foreign = [r for r in requests if not r.startswith((url.split("#")[0], "data:"))]
    assert not foreign


def value(page: Any, name: str, inside: str = "") -> int:
    """The exact number of a figure."""
    return int(page.locator(f"{inside} [data-figure={name}]").first.get_attribute("data-value"))


def choose(page: Any, group: str, option: str) -> None:
    """One of a group of radio buttons; by the keyboard it is the same."""
    page.locator(f"input[name='{group}'][value='{option}']").check(force=True)


def until(condition: Callable[[], bool], seconds: float = 180) -> None:
    """Wait; the page's policy allows no script from outside, so none can wait inside."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
