"""Measured gains of a published int8 backbone on real pictures, for benchmarks/scheme_search.py.

    python benchmarks/backbone_gains.py --data FOLDER [--network mcunet-5fps] [--last 24]

Contribution analysis in the device's bits: pictures of CIFAR-10 at 128x128, a few of each class to
learn from and a few others to validate on, one pass, batch 1.  Few pictures make noisy gains: they
compare searches, not schemes.  Writes build/gains.json, and keeps every measurement beside it.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import trainlet as tl
from trainlet.run.dataset import Dataset
from trainlet.schemes.contribution import contribution
from trainlet.schemes.study import Episode

SIDE, CLASSES, LEARNT, VALIDATED = 128, 10, 4, 8
RATES = (0.01, 0.1)


def pictures(data: Path, part: str, each: int) -> Dataset:
    """The first so many of each class."""
    file = np.load(data / "cifar10_jpeg.npz", allow_pickle=False)
    label = file[f"{part}_label"].astype(np.int32)
    blob, offset = file[f"{part}_jpeg"], file[f"{part}_offset"]
    rows = np.concatenate([np.flatnonzero(label == c)[:each] for c in range(CLASSES)])
    opened = (Image.open(BytesIO(blob[offset[k] : offset[k + 1]].tobytes())) for k in rows)
    resized = [np.asarray(image.convert("RGB").resize((SIDE, SIDE))) for image in opened]
    x = np.stack(resized).astype(np.float32).transpose(0, 3, 1, 2) / 127.5 - 1
    return Dataset(np.ascontiguousarray(x), label[rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--network", default="mcunet-5fps")
    parser.add_argument("--last", type=int, default=24, help="measure so many layers")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--build", type=Path, default=Path("build"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.build.mkdir(exist_ok=True)
    file = args.data / "models" / "mcunet_int8" / f"{args.network}.npz"
    episode = Episode(pictures(args.data, "train", LEARNT), pictures(args.data, "test", VALIDATED))
    found = contribution(
        tl.load(file, classes=CLASSES), [episode], precision="int8", rates=RATES, epochs=1, seeds=2,
        file=args.build / f"gains-{args.network}.measured.jsonl", jobs=args.jobs,
        measure=False,
    )  # fmt: skip
    body = found.layers.body
    cut = [replace(b, shares=(), biases=()) for b in body[: len(body) - args.last]]
    layers = replace(found.layers, body=(*cut, *body[len(cut) :]))
    found = replace(found, measurements=replace(found.measurements, layers=layers)).measure()
    weights = {f"{k} {share!r}": gain.mean for (k, share), gain in found.weights.items()}
    biases = {k: gain.mean for k, gain in found.biases.items()}
    path = args.build / "gains.json"
    known = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**known, args.network: {"biases": biases, "weights": weights}}))
    print(f"{len(biases) + len(weights)} gains in {path}")


if __name__ == "__main__":
    main()
