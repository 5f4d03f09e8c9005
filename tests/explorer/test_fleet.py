"""The fleet of the page: rounds are those of the fleet's own code, and a lesson has runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from explorer.browser import choose, opened, until, value
from explorer.served import served, source
from trainlet.errors import DataError
from trainlet.explorer import fleet
from trainlet.explorer.explored import SPEECH, SYMBOLS, Explored, Source
from trainlet.explorer.figures import described
from trainlet.explorer.page import page as page_of
from trainlet.explorer.requests import Federated
from trainlet.fleet.encoding import encoding
from trainlet.fleet.member import Recipe
from trainlet.fleet.simulation import Fleet
from trainlet.run.dataset import dataset

ASKED = Federated(
    precision="int8", scheme="last", division="person", devices=6, share="int8", rounds=2, rate=0.01
)


def test_rounds_are_the_fleets_own(persons: Source) -> None:
    given = Explored(persons)
    assert described(given)["persons"] == 4
    asked = ASKED.model_copy(update={"scheme": "full", "rate": 0.03})
    one = fleet.federated(given, asked.model_copy(update={"rounds": 1}))
    two = fleet.federated(given, asked)
    assert two["rounds"][:2] == one["rounds"]
    pool = fleet.pool(given)
    assert pool is not None
    program = given.program(asked)
    with Fleet(
        [Recipe(program, encoding("int8"))],
        [(0, dataset(program, pool.x[k], pool.y[k])) for k in pool.persons.values()],
        tests=[dataset(program, pool.test_x, pool.test_y), *3 * [None]],
    ) as own:
        *_, last = own.run(2, lr=0.03)
    assert two["rounds"][-1] == {
        "accuracy": last.accuracy, "taken": 4, "up": last.bytes_up, "down": last.bytes_down,
    }  # fmt: skip
    assert last.accuracy > two["rounds"][0]["accuracy"]  # pyright: ignore[reportOptionalOperand]
    assert [d["examples"] for d in two["devices"]] == 4 * [18]
    assert [sum(d["classes"]) for d in two["devices"]] == 4 * [18]
    assert sum(d["bytes"] for d in two["devices"]) == pool.x.nbytes


def test_few_classes_and_all_classes() -> None:
    pool = fleet.pool(Explored(source(SPEECH)))
    assert pool is not None
    found = {}
    for division in ("few", "alike"):
        rows = fleet.divided(pool, ASKED.model_copy(update={"division": division})).values()
        assert sorted(np.concatenate(list(rows))) == list(range(len(pool.y)))
        found[division] = sum(len(np.unique(pool.y[own])) for own in rows)
    assert found["few"] < 0.7 * found["alike"]


def test_files_without_persons_or_classes(persons: Source) -> None:
    assert persons.data is not None
    with np.load(persons.data) as held:
        x, y = held["x"], held["y"]
    np.savez(persons.data, x=x, y=y)
    given = Explored(persons)
    assert described(given)["persons"] == 0
    with pytest.raises(DataError, match="person"):
        fleet.federated(given, ASKED)
    np.savez(persons.data, x=x, y=y.astype(np.float32))
    assert described(Explored(persons))["persons"] is None
    with pytest.raises(DataError, match="--data"):
        fleet.federated(Explored(source(SYMBOLS)), ASKED)


def test_the_page_runs_it(persons: Source) -> None:
    with served(persons) as running, opened(running.url + "#fleet") as page:
        assert page.locator(".device").count() == 0
        page.get_by_role("button", name="Run").click()
        until(lambda: page.locator(".out[aria-busy=false] .device").count() == 4)
        own = fleet.federated(running.service.explored, ASKED.model_copy(update={"rounds": 8}))
        last = own["rounds"][-1]
        assert value(page, "up") == last["up"]
        assert value(page, "down") == last["down"]
        assert value(page, "stay") == sum(d["bytes"] for d in own["devices"])
        after = page.locator("[data-figure=after]").get_attribute("data-value")
        assert float(after) == last["accuracy"]
        assert page.locator("svg.rounds circle").count() == 9
        choose(page, "fleet-scheme", "full")
        choose(page, "fleet-division", "alike")
        assert page.locator(".device").count() == 0
        choose(page, "fleet-devices", "3")
        choose(page, "fleet-share", "sign")
        page.get_by_role("button", name="Run").click()
        until(lambda: page.locator(".out[aria-busy=false] .device").count() == 3)
        assert value(page, "up") < last["up"]


def test_a_lesson_has_a_run_for_every_choice(tmp_path: Path) -> None:
    network, answers = described(Explored(source(SPEECH))), json.loads(fleet.RECORDED.read_text())
    own = {"network": network, "answers": answers, "rule": {}, "words": []}
    path, shown = tmp_path / "lesson.html", set()
    path.write_text(page_of({"networks": [own], "teach": None, "made": ""}))
    with opened(path.as_uri() + "#fleet", 390, 844) as page:

        def options(group: str) -> list[str]:
            inputs = page.locator(f"input[name='{group}']").all()
            return [one.get_attribute("value") for one in inputs]

        for scheme in options("fleet-scheme"):
            choose(page, "fleet-scheme", scheme)
            for division in options("fleet-division"):
                choose(page, "fleet-division", division)
                for share in options("fleet-share"):
                    choose(page, "fleet-share", share)
                    page.wait_for_selector(".told:has-text('Recorded')")
                    shown.add((value(page, "up"), value(page, "values")))
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    assert len(shown) == 12
