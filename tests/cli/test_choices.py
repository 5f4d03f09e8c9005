"""`trainlet plan --choices`: what other gradients and extra bits would cost."""

import numpy as np


def test_they_are_shown(run, net, refused):
    np.savez("shown.npz", x=np.random.default_rng(0).standard_normal((8, 6), np.float32))
    words = ["plan", net, "--scheme", "full", "--precision", "int8", "--calibration", "shown.npz"]
    result = run(*words, "--extra-bits", "4", "--gradient", "int8", "--choices")
    assert result.exit_code == 0, result.output
    assert "4 extra bits of each" in result.stdout and "int32 biases" in result.stdout
    assert result.stdout.count("this one") == 1
    own = next(line for line in result.stdout.splitlines() if "this one" in line)
    assert [cell.strip() for cell in own.split("│")][1:3] == ["int8", "4"]
    said = refused("plan", net, "--scheme", "full", "--choices")
    assert "--choices goes with --precision int8" in said
    assert "--extra-bits goes with" in refused("plan", net, "--scheme", "full", "--extra-bits", 4)
