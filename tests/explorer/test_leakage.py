"""The attacks that the page shows: on the examples, and on what a user draws."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from explorer.browser import choose, opened, until
from explorer.served import served
from trainlet.explorer import leakage
from trainlet.explorer.explored import SYMBOLS
from trainlet.explorer.leakage import DEFENCES, DRAWINGS, Attack, attacked, examples
from trainlet.explorer.serve import Server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with served(SYMBOLS) as running:
        yield running


def test_a_defence_takes_from_the_attacker() -> None:
    found = {
        key: attacked(Attack(drawing=examples()[0], defence=key)) for key in ("none", "topk", "dp")
    }
    assert found["none"]["psnr"] > 35
    assert found["none"]["psnr"] > 15 + found["topk"]["psnr"]
    assert found["topk"]["bytes"] < found["none"]["bytes"] / 50
    assert found["dp"]["psnr"] < found["none"]["floor"] < found["topk"]["psnr"]


def test_every_defence_is_recorded() -> None:
    found = json.loads(leakage.RECORDED.read_text())
    assert list(found) == list(DEFENCES)
    assert {len(rows) for rows in found.values()} == {DRAWINGS}
    for k in range(DRAWINGS):
        psnr = {key: rows[k]["psnr"] for key, rows in found.items()}
        assert psnr["none"] == max(psnr.values())
        assert psnr["rounds"] > psnr["topk"]


@pytest.mark.parametrize(
    "wrong",
    [{"drawing": "AAAA"}, {"drawing": "\u00e9"}, {"defence": "__class__"}, {"rounds": 1000}],
)
def test_forms_are_checked(server: Server, wrong: dict[str, object]) -> None:
    body = json.dumps({"drawing": examples()[0], "defence": "none", **wrong})
    with pytest.raises(ValidationError):
        server.service.answer("attack", body.encode())


def test_examples_and_a_drawing_of_ones_own(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {key: DEFENCES[key] for key in ("none", "topk")}
    monkeypatch.setattr(leakage, "DEFENCES", few)
    recorded = json.loads(leakage.RECORDED.read_text())
    with opened(server.url + "#leakage") as page:

        def psnr() -> list[float]:
            figures = page.locator(".attacks [data-figure=psnr]").all()
            return [float(one.get_attribute("data-value")) for one in figures]

        for k in range(DRAWINGS):
            page.wait_for_selector(".attacks")
            choose(page, "leakage-drawing", str(k))
            assert psnr() == [recorded[key][k]["psnr"] for key in few]
        choose(page, "leakage-drawing", "mine")
        assert psnr() == []
        page.get_by_role("button", name="Attack").click()
        assert "Draw something" in page.locator(".told").inner_text()
        page.locator("canvas.pad").focus()
        for key in 6 * ["ArrowRight"] + 6 * ["ArrowDown"] + 3 * ["ArrowLeft"]:
            page.keyboard.press(key)
        page.get_by_role("button", name="Attack").click()
        until(lambda: "just now" in page.locator(".told").inner_text())
        none, topk = psnr()
        assert none > 30 > topk
