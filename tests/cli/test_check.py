"""trainlet check compares with autograd, and fails where something differs."""

import numpy as np

from trainlet.ops.op import OPS, build


def test_a_row_for_the_loss_and_for_each_trained_parameter(run, net):
    result = run("check", net, "--scheme", "last")
    assert result.exit_code == 0, result.output
    assert [w for w in ("loss", "2.weight", "2.bias", "ok") if w not in result.stdout] == []
    assert "0.weight" not in result.stdout and "differs" not in result.stdout


def test_one_batch_of_the_users(run, net):
    np.savez("batch.npz", x=np.ones((2, 6), np.float32), y=np.array([0, 2]))
    result = run("check", net, "--data", "batch.npz")
    assert result.exit_code == 0, result.output


def test_a_wrong_gradient_is_exit_code_1(run, net, monkeypatch):
    record = OPS["relu"]
    wrong = {"vjp": lambda n, g: [lambda: build("scale", g, factor=1.0)]}
    monkeypatch.setitem(OPS, "relu", type(record)(**{**vars(record), **wrong}))
    result = run("check", net)
    assert result.exit_code == 1
    assert "differs" in result.stdout and "0.weight" in result.stdout


def test_data_that_do_not_fit(refused, net):
    np.savez("batch.npz", x=np.ones((3, 6), np.float32), y=np.array([0, 2, 1]))
    assert "3 values; allowed: 2" in refused("check", net, "--data", "batch.npz")
