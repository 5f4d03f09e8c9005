"""Random networks for so many minutes, or so many of them: `make soak`.

Networks are numbered, and a number always gives the same network.  Each leaves a line in
build/soak/log.jsonl; a later run goes on with the next number, so that runs add up.  A failure is
made smaller and written to build/soak/ as a script that shows it.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing as mp
import os
import queue
import subprocess
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soak.table import table

FOLDER = Path("build/soak")
PER_PROCESS = 150
"""Networks of one process; then a fresh one goes on, since torch keeps what it once compiled."""
HANGS = 300
"""Seconds after which a network counts as failed."""


def worker(numbers: list[int], commit: str, folder: Path, found: mp.Queue) -> None:
    from soak.draw import draw_case
    from soak.outcome import outcome, write_script
    from soak.reduce import reduced
    from trainlet.backends.toolchain import STRICT

    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    os.environ[STRICT] = "1"  # a warning of the C compiler is a failure
    for number in numbers:
        found.put((number, None))
        begin, case = time.monotonic(), draw_case(number)
        own = outcome(case)
        seconds = time.monotonic() - begin
        record = {"number": number, "commit": commit, "seconds": round(seconds, 2)}
        record |= {**own.all(), "options": case.options.all()}
        found.put((number, record))
        if own.result == "failed":
            small = reduced(case, lambda other, kind=own.kind: outcome(other).kind == kind)
            write_script(small, outcome(small), folder, commit)


@dataclass
class Lane:
    """One process after another, and what the present one is doing."""

    found: mp.Queue = field(default_factory=mp.Queue)
    process: mp.Process | None = None
    left: list[int] = field(default_factory=list)
    number: int | None = None
    since: float = 0.0

    def start(self, numbers: list[int], commit: str, folder: Path) -> None:
        self.left, self.number, self.since = numbers, None, time.monotonic()
        context = mp.get_context("spawn")
        self.found = context.Queue()
        self.process = context.Process(target=worker, args=(numbers, commit, folder, self.found))
        self.process.start()

    def records(self) -> list[dict[str, Any]]:
        """What has been done since the last call."""
        records = []
        while True:
            try:
                number, record = self.found.get_nowait()
            except queue.Empty:
                return records
            self.since = time.monotonic()
            if record is None:
                self.number = number
            else:
                records.append(record)
                self.left.remove(number)

    def died(self) -> str:
        """Why the process stopped before its networks were done; empty while all is well."""
        assert self.process is not None
        if time.monotonic() - self.since > HANGS:
            self.process.kill()
            self.process.join()
            return f"no answer within {HANGS} s"
        if self.process.is_alive() or not self.left:
            return ""
        return f"the process ended with {self.process.exitcode}"


def soak(minutes: float, networks: int, jobs: int, folder: Path) -> list[dict[str, Any]]:
    """All records of the log, those of this run at its end."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.jsonl"
    records = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    following = 1 + max((r["number"] for r in records), default=-1)
    last = following + networks if networks else 1 << 40
    end = time.monotonic() + 60 * minutes if minutes else float("inf")
    commit, lanes = current_commit(), [Lane() for _ in range(jobs)]
    with log.open("a") as out:

        def enter(record: dict[str, Any]) -> None:
            records.append(record)
            out.write(json.dumps(record) + "\n")
            out.flush()
            if record["result"] == "failed":
                print(f"network {record['number']}: {record['kind']}: {record['detail']}")

        def share() -> list[int]:
            """The next numbers for a process."""
            nonlocal following
            count = min(PER_PROCESS, -(-(last - following) // jobs))
            numbers = list(range(following, min(last, following + count)))
            following += len(numbers)
            return numbers

        while True:
            over = time.monotonic() > end
            for lane in lanes:
                if lane.process is None:
                    if not over and (numbers := share()):
                        lane.start(numbers, commit, folder)
                    continue
                why = "" if over else lane.died()
                if over:
                    lane.process.terminate()
                    lane.process.join()
                for record in lane.records():
                    enter(record)
                if why and lane.number in lane.left:
                    enter(died(lane.number, commit, why))
                    lane.left.remove(lane.number)
                if not lane.process.is_alive():
                    lane.process = None
                    if lane.left and not over:
                        lane.start(lane.left, commit, folder)
            if not any(lane.process for lane in lanes) and (over or following >= last):
                return records
            time.sleep(0.2)


def died(number: int, commit: str, why: str) -> dict[str, Any]:
    from soak.draw import draw_case

    case = draw_case(number)
    return {"number": number, "commit": commit, "seconds": 0, "result": "failed",
            "kind": "the process died", "detail": why, "options": case.options.all()}  # fmt: skip


def current_commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--networks", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--table", action="store_true", help="only print the counts so far")
    given = parser.parse_args()
    if given.table:
        log = (given.folder / "log.jsonl").read_text().splitlines()
        print(table([json.loads(line) for line in log]))
        return
    minutes = given.minutes or (0 if given.networks else 10)
    records = soak(minutes, given.networks, given.jobs, given.folder)
    print(table(records))
    if any(r["result"] == "failed" for r in records):
        raise SystemExit(f"failures: see {given.folder}")


if __name__ == "__main__":
    main()
