"""A target that is too small: by how much, what is large, and which options would fit."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import trainlet as tl
from errors.small import compiled
from trainlet.errors import TargetError, ToolchainError
from trainlet.planning.planner import Planner
from zoo import NETWORKS

KB = 1024


def resnet(ram: int, flash: int = 4096 * KB, scheme: str = "full") -> tl.CompiledProgram:
    case = NETWORKS["resnet8"](1)
    target = replace(tl.Target.preset("cortex-m7"), ram=ram, flash=flash)
    return tl.compile(case.model, case.x, tl.schemes.preset(scheme, case.model), target=target)


def test_too_little_ram():
    fitting = resnet(4096 * KB)
    need = fitting.arena_bytes + fitting.state_bytes + fitting.target.stack
    with pytest.raises(TargetError) as caught:
        resnet(512 * KB)
    message = str(caught.value)
    assert f"RAM needs {need:,} bytes, {need - 512 * KB:,} more than its {512 * KB:,}" in message
    assert f"arena {fitting.arena_bytes:,}" in message
    assert f"trained parameters and state {fitting.state_bytes:,}" in message
    assert "Largest at the peak: " in message and "65,536" in message  # a map of 16 x 32 x 32
    assert "These need less: max_recompute=2, " in message and 'scheme="bias"' in message
    assert "choices() plans them" in message and "trainlet plan --choices" in message
    assert "Flash" not in message
    assert resnet(512 * KB, scheme="bias")


def test_too_little_flash():
    with pytest.raises(
        TargetError, match="Flash needs .* bytes, .* more than its 65,536"
    ) as caught:
        resnet(4096 * KB, 64 * KB, "last")
    assert "RAM needs" not in str(caught.value)
    assert "These need less: a smaller input or network, or a larger target" in str(caught.value)


def test_the_error_plans_nothing_and_its_choices_are_what_compiling_them_gives(monkeypatch):
    shown = [torch.randn(16, 64)]
    model = nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 64)).eval()
    target = tl.Target("cortex-m4", ram=8 * KB)
    planned = []
    plan = Planner.__call__
    monkeypatch.setattr(Planner, "__call__", lambda *a, **k: planned.append(a) or plan(*a, **k))

    def build(**options: object) -> tl.CompiledProgram:
        options = {"precision": "int8", "calibration": shown, "target": target, **options}
        return tl.compile(model, shown[0][:1], "last", loss="mse", max_recompute=None, **options)  # type: ignore

    with pytest.raises(TargetError) as caught:
        build()
    assert "precision=tl.Int8(float_head=False)" in str(caught.value)
    assert len(planned) == 1
    choices = caught.value.choices()
    assert len(planned) > 1 and all(c.fits for c in choices)
    found = {c.python: c for c in choices}
    head = found["precision=tl.Int8(float_head=False)"]
    assert head.command == "--no-float-head" and not head.chosen
    made = build(precision=tl.Int8(float_head=False))
    assert head.ram_bytes == made.arena_bytes + made.state_bytes
    assert head.arena_bytes == made.arena_bytes


def test_one_byte_decides():
    fitting = compiled(target=tl.Target.preset("cortex-m4"))
    need = fitting.arena_bytes + fitting.state_bytes
    stack = 1024 - need % 1024 + 1024 - (1024 - need % 1024) % 8
    exact = -(-(need + stack) // 1024) * 1024
    stack = (exact - need) // 8 * 8
    small = replace(tl.Target.preset("cortex-m4"), ram=exact, stack=stack)
    assert compiled(target=small)
    with pytest.raises(TargetError, match="RAM needs"):
        compiled(target=replace(small, stack=stack + 8), max_recompute=None)


def test_the_code_counts_when_it_is_built(tmp_path):
    """What the compiler makes is known after linking: the same error, from the linker."""
    tiny = replace(tl.Target.preset("cortex-m4"), flash=2 * KB, compiler="zig")
    program = compiled(target=tiny)
    with pytest.raises(TargetError, match="exceeds FLASH by"):
        program.build("unicorn")
    with pytest.raises(TargetError, match="exceeds FLASH by"):
        _ = program.report


def test_devices():
    program = compiled()
    with pytest.raises(
        TargetError, match="'host' is not a microcontroller, so it cannot run on unicorn"
    ):
        program.build("unicorn")
    with pytest.raises(tl.TrainletError, match="unknown device 'fpga'; allowed: host, sanitized"):
        program.build("fpga")
    assert program.report.flash_bytes is None


def test_no_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("trainlet.backends.toolchain.has_zig", lambda: False)
    with pytest.raises(ToolchainError, match="no C compiler.*pip install ziglang"):
        compiled().build("host")
    program = compiled(target="cortex-m4")
    with pytest.raises(ToolchainError, match="no compiler for Arm.*pip install ziglang"):
        program.build("unicorn")
