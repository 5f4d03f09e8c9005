"""A device's days on real data: accuracy with and without replay, a judge and drift detection.

    python benchmarks/device_days.py --data FOLDER [--settings speaker word person patient]

The C of each trainer runs on this machine, in int8, with the bits of the device.  On a wrong day
all labels of the day before the last are those of another class.  Rows that the file already has
are not made again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from days.life import WAYS, lived
from days.settings import SETTINGS, Setting

import trainlet as tl
from trainlet.files import write_text

INT8 = tl.Int8(extra_bits=8, gradient="int16")
SEED = 0


def program_of(setting: Setting) -> tl.CompiledProgram:
    """The trainer for a Cortex-M7: some convolutions and a head with spare classes learn."""
    calibration = [setting.known.x[:: max(1, len(setting.known) // 128)]]
    graph = tl.prepare(
        setting.model, torch.zeros(setting.example), precision=INT8, calibration=calibration
    )
    graph = tl.adapt.spare_classes(graph, setting.spare, setting.known.x, setting.known.y)
    scheme = tl.UpdateScheme({**setting.scheme, "head.prototypes": 1.0, "head.scale": 1.0})
    return tl.compile(graph, scheme=scheme, target="cortex-m7", precision=INT8)


def missing(rows: list[dict], setting: Setting) -> list[tuple[int, str, bool]]:
    """(device, way, wrong day) that have no row."""
    known = {(r["setting"], r["device"], r["way"], r["wrong_day"]) for r in rows}
    return [
        (k, way, wrong)
        for way in WAYS
        for wrong in (False, True)
        for k, device in enumerate(setting.devices)
        if (setting.name, device.name, way, wrong) not in known
        and not (wrong and not WAYS[way].learns)
    ]


def measure(setting: Setting, rows: list[dict], file: Path) -> None:
    """Add the rows that are missing to the file."""
    todo = missing(rows, setting)
    if not todo:
        return
    with program_of(setting).build("host") as trainer:
        for k, way, wrong in todo:
            device = setting.devices[k]
            day = len(device.days) - 2 if wrong else None
            found = lived(trainer, setting, device, WAYS[way], day, SEED)
            rows.append({
                "setting": setting.name, "device": device.name, "way": way, "wrong_day": wrong,
                "curve": found.curve, "lessons": found.lessons, "learnt": found.learnt,
                "drops": found.drops,
            })  # fmt: skip
            write_text(file, json.dumps(rows, indent=1))
            begin, end = (np.mean(found.curve[k]) for k in (0, -1))
            named = f"{setting.name} {device.name} {way}{' wrong' if wrong else ''}"
            print(f"  {named}: {begin:.1%} -> {end:.1%}", flush=True)


def table(rows: list[dict]) -> str:
    """Of one setting: mean and worst device in percent, forgetting and the largest fall in
    points."""
    lines = ["| a device learns | mean | worst | forgetting | largest fall | lessons | kept | "
             "mean, a wrong day | worst, a wrong day | largest fall |",
             "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    for way in WAYS:
        cells = []
        for wrong in (False, True):
            own = [r for r in rows if (r["way"], r["wrong_day"]) == (way, wrong)]
            if not own:
                continue
            ends = [100 * np.mean(r["curve"][-1]) for r in own]
            fall = max(0.0, -100 * min((min(r["drops"], default=0) for r in own), default=0))
            lost = [100 * np.mean(np.max(r["curve"], 0) - r["curve"][-1]) for r in own]
            cells += [f"{np.mean(ends):.1f}", f"{min(ends):.1f}"]
            if not wrong:
                lessons, kept = (sum(r[name] for r in own) for name in ("lessons", "learnt"))
                cells += [f"{np.mean(lost):.1f}", f"{fall:.1f}", f"{lessons}", f"{kept}"]
            else:
                cells += [f"{fall:.1f}"]
        lines.append(f"| {way} | {' | '.join(cells + [''] * (9 - len(cells)))} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--json", type=Path, default=Path("build/bench-life.json"))
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    args = parser.parse_args()
    args.json.parent.mkdir(parents=True, exist_ok=True)
    rows = json.loads(args.json.read_text()) if args.json.exists() else []
    for name in args.settings:
        setting = SETTINGS[name](args.data, args.json.parent)
        measure(setting, rows, args.json)
        print(f"\n{setting.title}, {len(setting.devices)} devices:\n")
        print(table([r for r in rows if r["setting"] == name]), flush=True)


if __name__ == "__main__":
    main()
