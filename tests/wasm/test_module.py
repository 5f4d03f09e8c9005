"""The files of the target wasm, as a page or a Node program uses them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import trainlet as tl
from trainlet.cli.main import app
from trainlet.run.node_device import has_node

pytestmark = pytest.mark.skipif(not has_node(), reason="needs Node: install nodejs")
NASTY = 'x"; throw 1; //*/'
"""A name from a model, which must stay a string in all files."""

SCRIPT = """
import { open, TrainerError } from "./trainer.js";
import { readFileSync } from "node:fs";
const { x, integers } = JSON.parse(readFileSync("given.json"));
const trainer = await open();
const losses = [];
for (let k = 0; k < 3; k++) losses.push(trainer.step(x, [1], 0.125));
const logits = [...trainer.predict(Float32Array.from(x))];
const whole = [...trainer.predict(Int8Array.from(integers))];
const state = trainer.save();
trainer.reset();
const again = trainer.step(x, [1]);
trainer.load(state);
const refused = [];
const tried = [
  () => trainer.step(x.slice(1), [1]), () => trainer.step(x, [7]), () => trainer.step(x, [0.5]),
  () => trainer.predict([NaN, ...x.slice(1)]), () => trainer.load(state.slice(1)),
  () => trainer.load(state.map((byte) => byte ^ 1)), () => trainer.step(x, [1], NaN),
  () => trainer.step(x), () => trainer.observe(x, [1]),
];
for (const attempt of tried) {
  try { attempt(); } catch (error) { refused.push([error instanceof TrainerError, error.message]); }
}
const second = await open(new WebAssembly.Module(readFileSync("trainer.wasm")));
const { imports } = { imports: WebAssembly.Module.imports(new WebAssembly.Module(
  readFileSync("trainer.wasm"))) };
console.log(JSON.stringify({ losses, logits, whole, again, refused, imports,
  kept: [...trainer.predict(x)], fresh: second.step(x, [1]),
  saved: Buffer.from(state).toString("hex") }));
"""


@pytest.fixture(scope="module")
def program() -> tl.CompiledProgram:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(24, 3)
    )
    rng = np.random.default_rng(0)
    calibration = [rng.standard_normal((1, 3, 4, 4)).astype(np.float32) for _ in range(4)]
    return tl.compile(
        network.eval(), torch.zeros(1, 3, 4, 4), "full", target="wasm", precision="int8",
        calibration=calibration, check=False,
    )  # fmt: skip


def node(folder: Path, script: str) -> str:
    (folder / "use.mjs").write_text(script)
    done = subprocess.run(["node", "use.mjs"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return done.stdout


def test_a_program_in_javascript(program: tl.CompiledProgram, tmp_path: Path) -> None:
    program.write(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {
        "trainer.wasm", "trainer.js", "trainer.d.ts", "trainer.json", "package.json",
    }  # fmt: skip
    quant = program.inputs[0].type.quant
    # between two integers, also exactly in the middle: rounding is the C's
    whole = np.random.default_rng(1).integers(-140, 140, (1, 3, 4, 4))
    x = ((whole + 0.5 - quant.zero_point[0]) * np.float32(quant.scale[0])).astype(np.float32)
    integers = np.random.default_rng(2).integers(-128, 128, x.shape).astype(np.int8)
    given = {"x": x.reshape(-1).tolist(), "integers": integers.reshape(-1).tolist()}
    (tmp_path / "given.json").write_text(json.dumps(given))
    found = json.loads(node(tmp_path, SCRIPT))
    with program.build("host") as host:
        losses = [host.step(x, [1], 0.125) for _ in range(3)]
        assert found["losses"] == losses
        assert found["fresh"] == losses[0]
        assert found["logits"] == found["kept"] == host.predict(x).reshape(-1).tolist()
        assert found["whole"] == host.predict(integers).reshape(-1).tolist()
        assert found["saved"] == host.save().hex()
        host.reset()
        assert found["again"] == host.step(x, [1])
    assert found["imports"] == []
    assert len(found["refused"]) == 9
    assert all(ours for ours, _ in found["refused"]), found["refused"]


def test_names_from_a_model_stay_strings(tmp_path: Path) -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 2)

        def forward(self, x):
            return {NASTY: self.layer(x), "other": self.layer(x).sum(1)}

    program = tl.compile(
        Net().eval(), torch.zeros(1, 4), "full", target="wasm", check=False,
        loss=[tl.Loss("cross_entropy", output=NASTY), tl.Loss("mse", output="other", target=NASTY)],
    )  # fmt: skip
    program.write(tmp_path)
    shown = node(tmp_path, 'import { open } from "./trainer.js";\nconst t = await open();\n'
                 "console.log(Object.keys(t.predict([1, 2, 3, 4]))[0])")  # fmt: skip
    assert shown == NASTY + "\n"
    types = (tmp_path / "trainer.d.ts").read_text()
    assert types.count("*/") == types.count("/** ")


def test_an_own_package_file_stays(program: tl.CompiledProgram, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "mine"}')
    program.write(tmp_path)
    assert (tmp_path / "package.json").read_text() == '{"name": "mine"}'


def test_types_fit_their_use(program: tl.CompiledProgram, tmp_path: Path) -> None:
    tsc = next((p for p in (Path(__file__).parents[2] / "explorer").glob("node_modules/.bin/tsc")),
               shutil.which("tsc"))  # fmt: skip
    if tsc is None:
        pytest.skip("needs TypeScript: npm ci in explorer/")
    program.write(tmp_path)
    use = """import { open } from "./trainer.js";
    const trainer = await open();
    const loss: number = trainer.step(new Float32Array(48), [1], 0.1);
    const logits: Float32Array = trainer.predict({ %s: new Float32Array(48) });
    trainer.load(trainer.save());
    """
    bad = "trainer.step('no', [1]);"
    (tmp_path / "use.ts").write_text(use % json.dumps(program.inputs[0].name))
    options = [str(tsc), "--noEmit", "--strict", "--module", "nodenext", "--target", "es2022"]
    done = subprocess.run([*options, "use.ts"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    (tmp_path / "use.ts").write_text(use % '"x"' + bad)
    assert subprocess.run([*options, "use.ts"], cwd=tmp_path, capture_output=True).returncode


def test_on_the_command_line(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(4, 3)).eval()
    exported = torch.export.export(network, (torch.zeros(1, 4),))
    torch.export.save(exported, tmp_path / "net.pt2")
    told = CliRunner().invoke(app, [
        "compile", str(tmp_path / "net.pt2"), "--scheme", "full", "--target", "wasm",
        "-o", str(tmp_path / "out"), "--prefix", "tiny",
    ])  # fmt: skip
    assert told.exit_code == 0, told.output
    assert "The WebAssembly module is in" in told.output
    assert (tmp_path / "out" / "tiny.wasm").read_bytes()[:4] == b"\0asm"
