"""What a front end costs on an emulated Cortex-M7, and whether MLPerf Tiny's is reproduced.

    python benchmarks/front_ends.py [FOLDER]

The folder has mlperf_kws01_mfcc.npz, MLPerf Tiny's int8 stimuli, and
speech_commands_personal_16k.npz, clips of the same people as mu-law bytes.
"""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import trainlet as tl
from trainlet.demo.features import DEVIATION, MEAN
from trainlet.demo.keyword_spotter import SCHEME, load_pretrained

SCALE, ZERO = 0.5847029, 83
RATE, SIZE, FFT, BINS, BANDS, FRAMES = 16_000, 480, 512, 257, 40, 49


def main() -> None:
    out = Console()
    front = tl.features.mfcc(mean=MEAN, deviation=DEVIATION)
    noise = torch.randint(-4000, 4000, (8, RATE), generator=torch.Generator().manual_seed(0))
    clips = noise.to(torch.int16)
    network = load_pretrained()
    table = Table("int8, the demo's network and scheme", "RAM", "Flash", "predict", "step")
    alone = compiled(network, front(clips), SCHEME)
    whole = compiled(
        torch.nn.Sequential(front, network).eval(), clips, {f"1.{k}": v for k, v in SCHEME.items()}
    )
    for name, program, x in (
        ("from features", alone, front(clips)[:1].numpy()),
        ("from int16 samples", whole, clips[:1].numpy()),
    ):
        report = program.report
        with program.build("unicorn") as board:
            board.predict(x)
            predict = board.instructions or 0
            board.step(x, np.array([0]))
            step = board.instructions or 0
        table.add_row(name, *(f"{n:,}" for n in (report.ram_bytes, report.flash_bytes, predict,
                                                 step)))  # fmt: skip
    out.print(table)
    out.print(kept_features(torch.nn.Sequential(front, network).eval(), clips))
    front_rows = [row for row in whole.profile("unicorn").rows if row.node.startswith("0")]
    spent = Counter()
    for row in front_rows:
        spent[row.op] += row.instructions
    out.print("instructions of the front end:", {op: f"{n:,}" for op, n in spent.items()})
    out.print(
        f"as products with constants: the transform {FRAMES * SIZE * BINS * 2:,} "
        f"multiply-accumulates and {SIZE * BINS * 2 * 4:,} bytes of Flash, the bank "
        f"{FRAMES * BINS * BANDS:,}; its rows that are not zero have "
        f"{int(np.count_nonzero(front.mel.bank.numpy())):,} of {BINS * BANDS:,} elements"
    )
    if len(sys.argv) > 1:
        out.print(reproduced(Path(sys.argv[1])))


def compiled(
    model: torch.nn.Module, shown: torch.Tensor, scheme: dict, split: bool = False
) -> tl.CompiledProgram:
    return tl.compile(
        model, shown[:1], scheme, precision="int8", calibration=[shown], split_features=split
    )


def kept_features(model: torch.nn.Module, clips: torch.Tensor) -> Table:
    """A step from samples, and from features that are computed once."""
    table = Table("scheme", "bytes of features", "features", "step from them", "whole step")
    late = ("blocks.2.pointwise", "blocks.3", "classifier")
    schemes = {
        "the demo's": {f"1.{k}": v for k, v in SCHEME.items()},
        "the demo's from blocks.2.pointwise on": {
            f"1.{k}": v for k, v in SCHEME.items() if k.startswith(late)
        },
    }
    for name, scheme in schemes.items():
        program, x, y = compiled(model, clips, scheme, True), clips[:1].numpy(), np.array([0])
        with program.build("unicorn") as board:
            f = board.features(x)
            counts = [board.instructions or 0]
            board.step_features(f, y)
            counts.append(board.instructions or 0)
            board.step(x, y)
            counts.append(board.instructions or 0)
        table.add_row(name, f"{f.nbytes:,}", *(f"{n:,}" for n in counts))
    return table


def reproduced(folder: Path) -> str:
    """Each stimulus against the nearest clip of its speaker and label."""
    stimuli = np.load(folder / "mlperf_kws01_mfcc.npz")
    clips = np.load(folder / "speech_commands_personal_16k.npz")
    loud = clips["audio_mulaw"] / 127.5 - 1.0
    audio = np.sign(loud) * np.expm1(np.abs(loud) * np.log(256.0)) / 255.0
    samples = torch.tensor((audio * 32767).round().astype(np.int16))
    front, made = tl.features.mfcc(), []
    with torch.no_grad():
        for part in samples.split(64):
            made.append(front(part)[:, 0].numpy())
    ours = np.clip(np.round(np.concatenate(made) / SCALE) + ZERO, -128, 127).astype(int)
    errors = []
    for row, speaker, label in zip(
        stimuli["mfcc"].astype(int), stimuli["speaker"], stimuli["label"], strict=True
    ):
        mine = ours[(clips["speaker"] == speaker) & (clips["label12"] == label)]
        if len(mine):
            errors.append(np.sqrt(((mine - row) ** 2).mean((1, 2)).min()))
    found = np.array(errors)
    near = found[found < 2]
    return (
        f"kws01: {len(near)} of the {len(found)} stimuli whose speaker and word are in the folder "
        f"have a clip within 2 steps; root mean square {np.sqrt((near**2).mean()):.2f} steps, "
        f"median {np.median(near):.2f}"
    )


if __name__ == "__main__":
    main()
