"""The designer: what it finds is what the search finds, and Layers shows it with the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from explorer.browser import opened, until, value
from explorer.served import served
from trainlet.errors import TargetError
from trainlet.explorer.contributions import measured_gains
from trainlet.explorer.design import designed
from trainlet.explorer.explored import SPEECH, SYMBOLS, Explored
from trainlet.explorer.figures import planned
from trainlet.explorer.lesson import lesson
from trainlet.explorer.page import page as page_of
from trainlet.explorer.requests import Design, Setting
from trainlet.explorer.serve import Server
from trainlet.schemes.layers import Choice

RAM = 128 * 1024


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with served(SPEECH) as running:
        yield running


def scheme_of(explored: Explored, found: dict) -> dict[str, float]:
    """In the order of the layers, as the page asks."""
    body, shares, scheme = explored.layers.body, dict(found["shares"]), {}
    for k, layer in enumerate(body):
        if k >= len(body) - found["last"]:
            scheme |= dict.fromkeys(layer.biases, 1.0)
        if k in shares:
            scheme[layer.weight] = shares[k]
    return scheme | dict.fromkeys(explored.layers.head, 1.0)


def test_what_it_finds_fits_and_has_the_plan_of_its_scheme(server: Server) -> None:
    speech = server.service.explored
    gains = measured_gains(speech).gains.added
    answer = designed(speech, Design(ram=RAM))
    best = answer["found"][0]
    assert best["gain"] > 0
    for found in answer["found"]:
        choice = Choice.of(found["last"], [tuple(pair) for pair in found["shares"]])
        assert found["gain"] == gains.of(choice) <= best["gain"]
        plan = planned(speech, Setting(scheme=scheme_of(speech, found)))
        assert found["ram"] == plan["ram"] <= RAM
        assert found["flash"] == plan["flash"]
    smaller = designed(speech, Design(ram=best["ram"] - 1))["found"][0]
    assert smaller["gain"] <= best["gain"]
    assert smaller["ram"] < best["ram"]
    with pytest.raises(TargetError, match="classifier"):
        designed(speech, Design(ram=20_000))


def test_the_page_shows_it_and_layers_takes_it(server: Server) -> None:
    with opened(server.url + "#design") as page:
        page.locator("#limit-ram").fill(str(RAM // 1024))
        page.get_by_role("button", name="Search").click()
        until(lambda: page.locator(".out[aria-busy=false] .design").count() == 3)
        best = designed(server.service.explored, Design(ram=RAM))["found"][0]
        gain = page.locator(".design [data-figure=gain]").first.get_attribute("data-value")
        assert float(gain) == best["gain"]
        assert value(page, "ram", ".design") == best["ram"]
        page.get_by_role("button", name="Show it under Layers").first.click()
        page.wait_for_selector(".panel[data-kind=plan]")
        assert value(page, "ram", ".panel") == best["ram"]
        shown = page.locator(".panel [data-figure=gain]").get_attribute("data-value")
        assert float(shown) == pytest.approx(best["gain"])


@pytest.fixture
def measured_lesson(tmp_path: Path) -> Iterator[tuple[Path, dict]]:
    """A lesson of the symbol network with invented gains."""
    data = lesson((SYMBOLS,), combinations=1)
    own, rng = data["networks"][0], np.random.default_rng(3)
    body = [layer for layer in own["network"]["layers"] if not layer["head"]]
    parts = [(k, share) for k, layer in enumerate(body) for share in layer["weight"]["shares"]]
    own["answers"]["contribution {}"] = {
        "precision": "float32", "words": "Invented.", "runs": 1, "missing": 0, "alone": 0.5,
        "biases": [{"last": k, "mean": float(rng.normal(0.02 * (k > 0), 0.01)), "spread": 0}
                   for k in range(len(body) + 1)],
        "weights": [{"layer": k, "share": share, "mean": float(rng.normal(0.01, 0.02)), "spread": 0}
                    for k, share in parts],
    }  # fmt: skip
    (path := tmp_path / "lesson.html").write_text(page_of(data))
    yield path, own


def test_in_a_lesson_the_search_over_the_table_is_exact(measured_lesson) -> None:
    path, own = measured_lesson
    rule, given = own["rule"]["float32"], own["answers"]["contribution {}"]
    body = own["network"]["layers"][:-1]
    head = own["network"]["layers"][-1]["biases"]
    fitting = []
    for last, biases in enumerate(given["biases"]):
        reached = range(len(body) - last, len(body))
        options = [
            [None, *(w for w in given["weights"] if w["layer"] == k and w["mean"] > 0)]
            for k in reached
        ]
        names = [b["name"] for b in [*head, *(b for k in reached for b in body[k]["biases"])]]
        for weights in product(*options):
            chosen = [w for w in weights if w]
            keys = [f"{body[w['layer']]['weight']['name']} {w['share']:g}" for w in chosen]
            arena = rule["arena"]["biases"][last] + sum(rule["arena"]["weights"][k] for k in keys)
            state = sum(rule["bytes"].get(f"{name} 1", 0) for name in names)
            state += sum(rule["bytes"][k] for k in keys)
            ram = max(arena, state) + state + rule["stack"]
            fitting.append((biases["mean"] + sum(w["mean"] for w in chosen), ram))
    with opened(path.as_uri() + "#design", 390, 844) as page:
        for ram in (90, 120, 200):
            page.locator("#limit-ram").fill(str(ram))
            page.get_by_role("button", name="Search").click()
            best = max(gain for gain, size in fitting if size <= ram * 1024)
            shown = page.locator(".design [data-figure=gain]").first
            until(lambda shown=shown, best=best: float(shown.get_attribute("data-value"))
                  == pytest.approx(best))  # fmt: skip
            assert (best, value(page, "ram", ".design")) in [
                (pytest.approx(gain), size) for gain, size in fitting if size <= ram * 1024
            ]
        assert "interpolated" in page.locator(".out").inner_text()
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
