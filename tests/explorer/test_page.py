"""The page in a real browser: each control changes what it must, and figures are the compiler's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import trainlet as tl
from explorer.browser import choose, opened, until, value
from explorer.served import served
from trainlet.explorer.contributions import contributions
from trainlet.explorer.explored import SPEECH, SYMBOLS, Source
from trainlet.explorer.figures import planned
from trainlet.explorer.learning import RATES, learnt
from trainlet.explorer.lesson import lesson
from trainlet.explorer.page import page as page_of
from trainlet.explorer.requests import Lesson, Setting
from trainlet.explorer.serve import Server
from trainlet.explorer.teaching import LEARN, WAYS, drawn, program, symbols_graph
from trainlet.schemes.compiled_cost import roomy

SETTINGS = int(os.environ.get("TRAINLET_SETTINGS", "1"))
PASSES, RATE = 3, 0.01


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with served(SYMBOLS, worker=True) as running:
        yield running


def settled(page) -> None:
    page.wait_for_selector(".panel[data-kind=plan]")


def test_layers_and_memory(server: Server) -> None:
    rng = np.random.default_rng(5)
    with opened(server.url + "#layers") as page:
        settled(page)
        last = value(page, "ram", ".panel")
        groups = page.locator(".layer").count()
        seen, own = set(), None
        for _ in range(SETTINGS):
            scheme: dict[str, float] = {}  # in the page's order, which may decide between two plans
            for k, layer in enumerate(server.service.explored.layers.body):
                inputs = page.locator(f"input[name='layer-{k}']")
                options = [inputs.nth(j).get_attribute("value") for j in range(inputs.count())]
                option = options[rng.integers(len(options))]
                choose(page, f"layer-{k}", option)
                if option != "frozen":
                    scheme |= dict.fromkeys(layer.biases, 1.0)
                if option not in ("frozen", "bias"):
                    scheme[layer.weight] = float(option)
            scheme |= dict.fromkeys(server.service.explored.layers.head, 1.0)
            own = tl.compile(
                symbols_graph(), None, tl.UpdateScheme(scheme), optimizer=tl.SGD(),
                target=roomy(server.service.explored.source.target), max_recompute=None,
            )  # fmt: skip
            until(lambda own=own: page.locator(".panel").get_attribute("data-kind") == "plan"
                  and value(page, "arena", ".panel") == own.arena_bytes)  # fmt: skip
            assert value(page, "state", ".panel") == own.state_bytes
            assert value(page, "saved", ".panel") == own.saved_bytes
            assert value(page, "forward", ".panel") == own.macs_forward
            assert value(page, "backward", ".panel") == own.macs_backward
            assert value(page, "ram", ".panel") == own.arena_bytes + own.state_bytes + 4096
            seen.add(value(page, "ram", ".panel"))
        assert own is not None
        assert len(seen) > SETTINGS // 2  # some of many are the same
        assert last not in seen
        page.get_by_role("link", name="Memory").click()
        assert page.locator("svg.memory rect.buffer").count() >= len(own.plan.live)
        shown = page.locator(".headline").get_attribute("data-value")
        assert int(shown) == own.plan.arena
        page.locator("svg.memory").focus()
        page.keyboard.press("ArrowRight")
        assert "bytes at" in page.locator(".told").inner_text()
        page.get_by_role("link", name="Layers").click()
        page.get_by_role("button", name="last only").click()
        until(lambda: page.locator(".panel").get_attribute("data-kind") == "plan"
              and value(page, "ram", ".panel") == last)  # fmt: skip
        choose(page, "optimizer", "adam")
        until(lambda: value(page, "ram", ".panel") > last)
        choose(page, f"layer-{groups - 1}", "frozen")
        until(lambda: "Nothing learns" in page.locator(".panel").inner_text())


def test_modes(server: Server) -> None:
    with opened(server.url + "#modes") as page:
        cards = page.locator(".card")
        assert cards.count() == 5  # no norms in this network
        until(lambda: page.locator(".card [aria-busy=true]").count() == 0)
        sizes = {
            mode: int(page.locator(f"[data-mode={mode}] .big").get_attribute("data-value"))
            for mode in ("last", "bias", "full")
        }
        assert sizes["last"] < sizes["bias"] < sizes["full"]
        assert "inverted bottleneck" in page.locator("[data-mode=tinytl]").inner_text()


def test_a_mode_is_trained_with_the_rate_of_its_scheme(persons: Source) -> None:
    with served(persons) as running, opened(running.url + "#modes") as page:
        card = page.locator("[data-mode=full]")
        card.get_by_role("button", name="Train").click()
        found = card.locator(".measured")
        asked = Lesson(scheme="full", rate=RATES["full"])
        own = learnt(running.service.explored, asked)
        assert float(found.get_attribute("data-after")) == own["after"]
        losses = card.locator(".losses li").all_text_contents()
        assert [float(loss) for loss in losses] == own["losses"]


def test_the_wall() -> None:
    with served(SPEECH) as running, opened(running.url + "#wall") as page:
        page.wait_for_selector("[data-figure=training]")
        one = value(page, "training")
        choose(page, "wall-batch", "4")
        until(lambda: value(page, "training") > 3 * one)
        choose(page, "wall-batch", "1")
        until(lambda: value(page, "training") == one)
        choose(page, "wall-precision", "int8")
        until(lambda: value(page, "training") < one / 3)


def test_gains_of_what_is_chosen_are_added_up() -> None:
    with served(SPEECH) as running, opened(running.url + "#layers") as page:
        found = contributions(running.service.explored)
        body, gains = running.service.explored.layers.body, page.locator(".layer .gain")
        until(lambda: gains.count() == len(body) + 1)

        def shown() -> float:
            return float(page.locator(".panel [data-figure=gain]").get_attribute("data-value"))

        until(lambda: page.locator(".panel [data-figure=gain]").count() == 1)
        assert shown() == 0
        best = max((w for w in found["weights"] if w["layer"] > 5), key=lambda w: w["mean"])
        for k in reversed(range(best["layer"], len(body))):
            choose(page, f"layer-{k}", "bias")
        last = next(b for b in found["biases"] if b["last"] == len(body) - best["layer"])
        until(lambda: shown() == pytest.approx(last["mean"]))
        choose(page, f"layer-{best['layer']}", f"{best['share']:g}")
        until(lambda: shown() == pytest.approx(last["mean"] + best["mean"]))
        assert gains.nth(best["layer"]).locator("rect.chosen").count() == 1
        choose(page, f"layer-{best['layer'] - 2}", "bias")  # not all biases from there on
        until(lambda: "has no sum" in page.locator(".panel").inner_text())


def root_rule(plan: dict) -> int:
    """Bytes of the arena if one of every n of n * n layers is kept, and the others run again."""
    kept = [n for n in plan["kept"] if n]
    every = round(len(kept) ** 0.5)
    groups = [kept[k : k + every] for k in range(0, len(kept), every)]
    ends = sum(group[-1] for group in groups if len(group) == every)
    return plan["arena"] - plan["saved"] + ends + max(sum(g[: every - 1]) for g in groups)


@pytest.mark.slow
def test_recomputation() -> None:
    with served(SPEECH) as running, opened(running.url + "#recompute") as page:
        until(lambda: page.locator(".out[aria-busy=true]").count() == 0)
        assert "does not reach" in page.locator(".told").inner_text()
        least, twice = value(page, "arena", ".figures"), value(page, "recomputed")
        assert value(page, "optimum") == least  # nothing fits
        whole = planned(running.service.explored, Setting(scheme="full"))
        assert least < value(page, "root") == root_rule(whole)
        page.locator("#limit").fill("0")
        assert value(page, "arena", ".figures") == whole["arena"] > least
        assert value(page, "recomputed") == 0 < twice


def host_losses() -> list[float]:
    """What the C computes here in the lesson that the page gives."""
    _, x = drawn()
    shown = [(x[k, j], k) for j in range(LEARN) for k in range(WAYS)]
    steps = PASSES * len(shown)
    with program().build("host") as trainer:
        for drawing, label in shown:
            trainer.observe(drawing[None, None], [label])
        return [
            trainer.step(*as_given(*shown[k % len(shown)]), RATE * (1 - k / steps))
            for k in range(steps)
        ]


def as_given(drawing: np.ndarray, label: int) -> tuple[np.ndarray, list[int]]:
    return drawing[None, None], [label]


def test_a_lesson_from_a_file(tmp_path: Path) -> None:
    """Offline and on a phone: figures of the table, and a trainer that learns in the page."""
    path = tmp_path / "lesson.html"
    data = lesson((SYMBOLS,), combinations=1)
    path.write_text(page_of(data))
    with opened(path.as_uri() + "#layers", 390, 844) as page:
        page.context.set_offline(True)
        settled(page)
        plans = {k: v for k, v in data["networks"][0]["answers"].items() if k.startswith("plan")}
        assert value(page, "ram", ".panel") in {p["ram"] for p in plans.values() if p != str(p)}
        choose(page, "layer-0", "bias")
        page.wait_for_selector(".panel[data-kind=interpolated]")
        assert "interpolated" in page.locator("#statement").text_content()
        for view in ("Wall", "Modes", "Memory", "Recompute", "Fleet", "Leakage", "Teach"):
            page.get_by_role("link", name=view).click()
            page.wait_for_selector("h2")
            assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
        page.get_by_role("link", name="Recompute").click()
        full = next(v for k, v in plans.items() if '"scheme":"full"' in k)
        assert value(page, "optimum") == full["arena"]  # it fits the target
        assert value(page, "root") == root_rule(full)
        page.get_by_role("link", name="Teach").click()
        page.get_by_role("button", name="Learn").click()
        page.wait_for_selector(".losses li", state="attached")
        shown = page.locator(".losses li").all_text_contents()
        assert [float(loss) for loss in shown] == host_losses()
        right = [
            float(one.get_attribute("data-accuracy")) for one in page.locator(".confusion").all()
        ]
        assert right[0] <= 0.2 < 0.8 < right[2]
        page.locator("canvas.pad").focus()
        for key in 4 * ["ArrowRight"] + 4 * ["ArrowDown"]:
            page.keyboard.press(key)
        assert page.locator(".guess").count() == WAYS
        page.reload()
        page.wait_for_selector(".told:has-text('remembers')")
        page.get_by_role("button", name="Forget").click()
        page.reload()
        page.wait_for_selector(".told:has-text('knows no symbol')")
