"""Each command does what it says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import trainlet as tl
from cli.data import write_data
from trainlet.compiler import STAGES
from trainlet.ir.text import parse_graph

PNG, SVG = b"\x89PNG", b"<?xml"


def test_version(run):
    assert run("--version").stdout == f"trainlet {tl.__version__}\n"


def test_targets_are_all_listed(run):
    shown = run("targets").stdout
    for name in ("host", "cortex-m0plus", "cortex-m7", "cortex-m55", "mps2-an500"):
        assert name in shown


def test_compile_writes_the_project_and_prints_the_report(run, net):
    result = run("compile", net, "--scheme", "last", "-o", "deep/out", "--prefix", "tiny")
    assert result.exit_code == 0, result.output
    assert {p.name for p in Path("deep/out").iterdir()} == {
        "tiny.h", "tiny.c", "tiny_kernels.h", "tiny_weights.h", "tiny.json", "main.c",
        "CMakeLists.txt",
    }  # fmt: skip
    assert "Trainer for cortex-m7" in result.stdout and "256 KB" in result.stdout
    assert "note:" not in result.stdout


def test_compile_says_which_file_it_kept(run, net):
    Path("out").mkdir()
    Path("out/main.c").write_text("/* mine */")
    result = run("compile", net, "--scheme", "last")
    assert result.exit_code == 0, result.output
    assert "note: main.c in out changed since Trainlet wrote it, and was kept" in result.stdout
    assert Path("out/main.c").read_text() == "/* mine */"
    assert "add_library(trainer" in Path("out/CMakeLists.txt").read_text()


def test_sizes_optimizer_loss_and_accumulation_reach_the_compiler(run, net):
    options = "--target cortex-m4 --ram 32 --flash 64 --optimizer adam --accumulate 3".split()
    result = run("plan", net, "--scheme", "full", *options, "--loss", "mse")
    assert result.exit_code == 0, result.output
    assert "of 32 KB" in result.stdout and "of 64 KB" in result.stdout
    names = [*options, "--stop-after", "update"]
    text = run("compile", net, "--scheme", "last", *names).stdout
    assert "adam(" in text and "accumulate(" in text


@pytest.mark.parametrize("stage", STAGES)
def test_stop_after_prints_a_graph_and_writes_nothing(run, net, stage):
    result = run("compile", net, "--scheme", "full", "-o", "out", "--stop-after", stage)
    assert result.exit_code == 0, result.output
    if stage == "place":
        assert result.stdout.startswith("arena ")
    else:
        assert "logits" in parse_graph(result.stdout).outputs
    assert sorted(p.name for p in Path().iterdir()) == ["net.pt2"]


@pytest.mark.parametrize(("name", "start"), [("memory.png", PNG), ("memory.svg", SVG)])
def test_plan_draws(run, net, name, start):
    assert run("plan", net, "--scheme", "last", "--draw", name).exit_code == 0
    assert Path(name).read_bytes().startswith(start)
    assert sorted(p.name for p in Path().iterdir()) == sorted(["net.pt2", name])


def test_a_written_scheme_compiles(run, net):
    assert run("scheme", net, "bias", "-o", "scheme.toml").exit_code == 0
    assert set(tl.UpdateScheme.load("scheme.toml")) == {"0.bias", "2.weight", "2.bias"}
    assert run("plan", net, "--scheme", "scheme.toml").exit_code == 0


def test_scheme_prints_without_a_file(run, net):
    assert run("scheme", net, "last").stdout == '[update]\n"2.weight" = 1.0\n"2.bias" = 1.0\n'


def test_run_learns_saves_and_goes_on(run, net):
    write_data("train.npz")
    common = ("run", net, "--scheme", "full", "--data", "train.npz", "--lr", "0.1")
    first = run(*common, "--epochs", "30", "--save", "state.bin")
    assert first.exit_code == 0, first.output
    before, after = accuracies(first.stdout)
    assert after > 85 > before
    again = run(*common, "--epochs", "0", "--load", "state.bin")
    assert accuracies(again.stdout) == [after]


def test_run_measures_on_the_test_file_with_a_batch_that_is_not_full(run, net):
    write_data("train.npz")
    write_data("test.npz", n=3)
    result = run("run", net, "--scheme", "last", "--data", "train.npz", "--test", "test.npz")
    assert "3 examples of test.npz, on host" in result.stdout
    assert {round(share * 3 / 100, 1) for share in accuracies(result.stdout)} <= {0, 1, 2, 3}


def test_run_on_an_emulator_counts_instructions(run, net):
    write_data("train.npz", n=4)
    result = run("run", net, "--scheme", "last", "--data", "train.npz", "--on", "unicorn")
    assert result.exit_code == 0, result.output
    assert "instructions a training step" in result.stdout


def test_float_targets_have_a_loss_and_no_accuracy(run, net):
    write_data("train.npz", y=np.eye(3)[np.arange(31) % 3])
    result = run("run", net, "--scheme", "last", "--data", "train.npz", "--loss", "mse")
    assert result.exit_code == 0, result.output
    assert "loss" in result.stdout and "accuracy" not in result.stdout


def accuracies(shown: str) -> list[float]:
    """The percentages in the row of the table."""
    row = next(line for line in shown.splitlines() if "accuracy" in line)
    return [float(word.rstrip("%")) for word in row.split() if word.endswith("%")]


def test_less_ram_by_recomputation(run, tmp_path):
    """The command line's kilobytes and ratio reach the planner."""
    layers = [m for k in range(4) for m in (torch.nn.Conv2d(8, 8, 3, padding=1), torch.nn.GELU())]
    head = (torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 3))
    model = torch.nn.Sequential(*layers, *head).eval()
    net = tmp_path / "smooth.pt2"
    torch.export.save(torch.export.export(model, (torch.zeros(1, 8, 12, 12),)), net)
    usual = run("plan", net, "--scheme", "full")
    assert usual.exit_code == 0 and "recomputed" not in usual.stdout
    less = run("plan", net, "--scheme", "full", "--max-ram", "41")
    assert less.exit_code == 0, less.output
    assert "recomputed" in less.stdout
    never = run("plan", net, "--scheme", "full", "--max-ram", "41", "--max-recompute", "1")
    assert never.exit_code and "does not fit" in never.output


def test_an_image_that_comes_in_rows(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 36, 3)
    ).eval()
    torch.export.save(torch.export.export(model, (torch.zeros(1, 1, 8, 8),)), "image.pt2")
    done = run("compile", "image.pt2", "--scheme", "last", "--stream", "-o", "out")
    assert done.exit_code == 0, done.output
    assert "typedef int (*trainer_rows)(" in Path("out/trainer.h").read_text()
    assert "static int made_up_rows(" in Path("out/main.c").read_text()


class TwoInputs(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Linear(4 + 36, 3)
        self.conv = torch.nn.Conv2d(1, 1, 3)

    def forward(self, features: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        return self.head(torch.cat([features, self.conv(image).flatten(1)], 1))


def test_an_image_in_rows_that_is_not_the_first_input(run, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example = torch.zeros(1, 4), torch.zeros(1, 1, 8, 8)
    torch.export.save(torch.export.export(TwoInputs().eval(), example), "two.pt2")
    asked = ("compile", "two.pt2", "--scheme", "last")
    assert "'features' cannot come in rows" in refused(*asked, "--stream")
    for name in ("picture", ""):
        message = refused(*asked, "--stream-input", name)
        assert f"stream={name!r}: no such input" in message and "features, image" in message
    done = run(*asked, "--stream-input", "image", "-o", "out")
    assert done.exit_code == 0, done.output
    assert "(const float *features, trainer_rows image, " in Path("out/trainer.h").read_text()


@pytest.mark.parametrize("stage", STAGES)
def test_stop_after_in_int8(run, net, stage):
    np.savez("shown.npz", x=np.random.default_rng(0).standard_normal((32, 6)).astype("f"))
    options = ("--precision", "int8", "--calibration", "shown.npz", "--stop-after", stage)
    result = run("compile", net, "--scheme", "full", *options)
    assert result.exit_code == 0, result.output
    assert ("linear_i8" in result.stdout or "int8" in result.stdout) == (stage != "load")


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kind, self.size = nn.Linear(6, 3), nn.Linear(6, 1)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"kind": self.kind(x), "size": self.size(x)}


def test_several_losses_from_check_to_run(run, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    program = torch.export.export(TwoHeads().eval(), (torch.zeros(2, 6),))
    torch.export.save(program, "heads.pt2")
    losses = [
        "--loss", "cross_entropy:output=kind,target=kind,weight=0.5",
        "--loss", "mse:output=size,target=size", "--loss", "l2:weight=0.001,parameters=size.weight",
    ]  # fmt: skip
    sizes = {"y_kind": (np.arange(31) % 3), "y_size": np.ones((31, 1), np.float32)}
    data = write_data("heads.npz", **sizes)
    for command in (
        ["check", "heads.pt2", "--scheme", "full"],
        ["run", "heads.pt2", "--scheme", "full", "--data", str(data), "--target", "host"],
        ["compile", "heads.pt2", "--scheme", "full", "--stop-after", "split"],
    ):
        result = run(*command, *losses)
        assert result.exit_code == 0, result.output
        wanted = {"check": "size.bias", "run": "accuracy", "compile": "output.size"}
        assert wanted[command[0]] in result.stdout
    unnamed = run("plan", "heads.pt2", "--scheme", "full")
    assert unnamed.stderr.startswith("warning: the network has the outputs 'kind', 'size'")
    missing = write_data("one.npz")
    said = refused("run", "heads.pt2", "--scheme", "full", "--data", str(missing), *losses)
    assert "y_kind" in said


@pytest.mark.parametrize(
    ("term", "said"),
    [
        ("mse:wieght=2", "'wieght=2' is no option of mse; allowed: OPTION=VALUE with one of"),
        ("mse:weight=x", "weight is 'x'; allowed: a number"),
        ("l2", "needs a weight, such as l2:weight=0.001"),
        ("msee", "unknown loss 'msee'; known: cross_entropy"),
    ],
)
def test_terms_that_cannot_be(refused, net, term, said):
    assert said in refused("plan", net, "--scheme", "last", "--loss", term)


def test_sections_are_written_or_refused(net, run, refused):
    given = ("--section", "arena=.dtcm", "--section", "state=.sdram")
    assert run("compile", net, "--scheme", "last", *given).exit_code == 0
    header = Path("out/trainer.h").read_text()
    assert all(f'section("{name}")' in header for name in (".dtcm", ".sdram"))
    for bad in (("arena",), ("arena=.a", "--section", "arena=.b"), ("aerna=.a",)):
        assert "arena" in refused("compile", net, "--scheme", "last", "-o", "no", "--section", *bad)


def test_a_project_is_exported(net, run, refused):
    assert run("compile", net, "--scheme", "last").exit_code == 0
    given = ("--with", "store, lesson", "--name", "my-net", "--author", "A. Maker")
    result = run("export", "out", "--to", "arduino", "-o", "pkg", *given)
    assert result.exit_code == 0, result.output
    assert "give --url before you publish" in result.stdout
    said = Path("pkg/library.properties").read_text()
    assert "name=my-net\n" in said and "author=A. Maker\n" in said
    assert Path("pkg/src/trainlet_lesson.c").is_file()
    for bad in (
        ("--to", "mbed"),
        ("--to", "cmake", "--with", "lfs"),
        ("--to", "cmake", "--name", "X"),
    ):
        assert "allowed" in refused("export", "out", "-o", "no", *bad)
