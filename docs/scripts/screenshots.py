"""Photographs the explorer for docs/images/explorer-*.webp, in Chromium without a network.

    PYTHONPATH=tests python docs/scripts/screenshots.py

It needs the packages of `trainlet[test]`, and Chromium.  Each view is set up as a user would do
it, on the bundled keyword spotter.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from explorer.browser import choose, opened, until
from explorer.served import served
from trainlet.explorer.explored import SPEECH

IMAGES = Path(__file__).parents[1] / "images"
WIDTH, PHONE = 1200, (390, 844)


def layers(page: Any) -> None:
    """All biases learn."""
    page.get_by_role("button", name="all biases").click()
    page.wait_for_selector(".panel[data-kind=plan]")
    page.wait_for_selector(".layer .gain")


def fleet(page: Any) -> None:
    """Every parameter learns, on devices with few classes."""
    choose(page, "fleet-scheme", "full")
    choose(page, "fleet-division", "few")
    choose(page, "fleet-share", "sign")
    page.get_by_role("button", name="Run").click()
    until(lambda: page.locator(".out[aria-busy=false] .device").count() == 6, 600)


def leakage(page: Any) -> None:
    page.wait_for_selector(".attacks")


def teach(page: Any) -> None:
    page.get_by_role("button", name="Learn").click()
    page.wait_for_selector(".losses li", state="attached")


VIEWS: dict[str, tuple[Callable[[Any], None], int, str]] = {
    "layers": (layers, 900, "h2"), "fleet": (fleet, 1180, ".told"),
    "leakage": (leakage, 1340, ".attacks"), "teach": (teach, 960, ".results"),
}  # fmt: skip
"""What sets a view up, its height on a desktop, and what a phone shows at the top."""


def main() -> None:
    phones = []
    with served(SPEECH, worker=True) as server:
        for name, (prepare, height, top) in VIEWS.items():
            with opened(f"{server.url}#{name}", WIDTH, height) as page:
                prepare(page)
                photograph(page).save(IMAGES / f"explorer-{name}.webp", quality=80, method=6)
                page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
                page.locator(top).evaluate("place => place.scrollIntoView()")
                phones.append(photograph(page))
                print(name, flush=True)
    gap = 24
    together = Image.new("RGB", (len(phones) * (PHONE[0] + gap) - gap, PHONE[1]), "white")
    for k, phone in enumerate(phones):
        together.paste(phone, (k * (PHONE[0] + gap), 0))
    together.save(IMAGES / "explorer-phone.webp", quality=80, method=6)


def photograph(page: Any) -> Image.Image:
    page.wait_for_timeout(300)  # charts are drawn again in their new size
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


if __name__ == "__main__":
    main()
