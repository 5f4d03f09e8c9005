"""What attackers recover of small pictures, and what an audit says about it."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import trainlet as tl
from trainlet.cli.main import app
from trainlet.privacy.audit import Auditor
from trainlet.privacy.scores import floor_db, matched, score
from trainlet.privacy.share import parse_share
from zoo import NETWORKS

from .networks import picture, sigmoid_net

ZEROS = torch.zeros(1, 1, 8, 8)
LIMITS = {"int8": (-128, 127), "int32": (-(2**31), 2**31 - 1)}


def audited(scheme: Any = "full", shares=("none",), **options) -> tl.privacy.Audit:
    options = {"x": picture(), "y": [2], "bounds": (0, 1), "attacks": ["dlg"], **options}
    return tl.audit(sigmoid_net(), ZEROS, scheme, shares=shares, **options)


def test_raw_gradients_give_the_picture_and_the_label():
    (row,) = audited(iterations=300).rows
    assert row.psnr_db > 33 and (row.ssim or 0) > 0.95 and row.label_correct
    assert row.floor_db < 22 and row.bytes_sent > 4 * 700


def test_an_attacker_who_knows_the_mask_recovers_what_a_naive_one_does_not():
    naive, adaptive = audited(shares=["prune:0.2"]).rows
    assert (naive.adaptive, adaptive.adaptive) == (False, True)
    assert adaptive.psnr_db > naive.psnr_db + 5 and adaptive.psnr_db > 30


def test_an_attacker_who_knows_the_noise_is_not_worse_than_a_constant():
    (row,) = audited(shares=["noise:0.3"], naive=False).rows
    assert row.psnr_db > row.floor_db


def test_an_attack_repeats_from_its_seed():
    assert audited(iterations=40).rows == audited(iterations=40).rows


def test_the_verdict_says_what_was_tried_and_never_that_data_are_safe():
    found = audited(scheme={"0.bias": 1.0}, shares=["topk:0.1"], iterations=20)
    verdict = found.verdict("topk:0.1")
    assert "safe" not in verdict and "may recover more" in verdict and "(dlg)" in verdict


def test_several_local_steps_are_followed():
    (row,) = audited(local_steps=3, lr=0.1, iterations=200).rows
    assert row.psnr_db > row.floor_db + 10 and row.label_correct


def test_rounds_add_up_against_noise():
    one, four = (
        audited(shares=["noise:0.3"], naive=False, rounds=k, iterations=100).rows[0].psnr_db
        for k in (1, 4)
    )
    assert four > one + 1


def test_each_round_begins_with_the_integers_nearest_to_the_servers_model():
    case = NETWORKS["mlp"](4)
    graph = tl.prepare(case.model, case.x, precision="int8", calibration=[case.x], check=False)
    one = Auditor(tl.train(graph, scheme="full", stop_after="split"), rounds=2, lr=0.5)
    x, y, share = case.x.numpy(), case.y.numpy(), parse_share("topk:0.5")
    (first, start), (_, then) = one._messages(x, y, share, np.random.default_rng(0))
    assert start is not None and then is not None
    for n in one.victim.params:
        if n.type.quant is not None:
            scale = np.array(n.type.quant.scale)[:, None]
            wanted = start[n.name].numpy() - 0.5 * first.dense()[n.name]
            found, wanted = (v.reshape(len(v), -1) / scale for v in (then[n.name].numpy(), wanted))
            assert np.allclose(found, np.rint(wanted).clip(*LIMITS[n.type.dtype]))
            assert not np.array_equal(then[n.name], start[n.name])


def test_inverting_gradients_finds_more_than_a_constant():
    (row,) = audited(attacks=["inverting"], iterations=200).rows
    assert row.psnr_db > row.floor_db


def test_public_examples_help_where_noise_hides_the_rest():
    without, helped = (
        audited(shares=["noise:1"], naive=False, public=public).rows[0].psnr_db
        for public in (None, picture(64, seed=1))
    )
    assert helped > without


def test_scores():
    a = np.zeros((1, 8, 8), np.float32)
    found = score(a + 0.1, a, 0, 1)
    assert found.psnr_db == pytest.approx(20, abs=1e-4) and found.mse == pytest.approx(0.01)
    assert score(a, a, 0, 1).ssim == pytest.approx(1)
    assert score(2 * a + 0.2, 2 * a, -1, 1).psnr_db == pytest.approx(20, abs=1e-4)
    assert score(np.zeros(4), np.zeros(4), 0, 1).ssim is None
    assert floor_db(np.array([0, 1], np.float32), 0, 1) == pytest.approx(6.02, abs=1e-2)


def test_a_batch_is_scored_in_the_order_that_fits():
    x = picture(4)
    order = np.array([2, 0, 3, 1])
    assert (x[order][matched(x[order], x)] == x).all()


def test_the_command_writes_rows_and_pictures(tmp_path):
    program = torch.export.export(sigmoid_net(), (ZEROS,))
    torch.export.save(program, tmp_path / "net.pt2")
    np.savez(tmp_path / "data.npz", x=picture(2), y=np.array([2, 3]))
    words = ["audit", "net.pt2", "--data", "data.npz", "--share", "topk:0.5", "-o", "audit"]
    words += ["--iterations", "20", "--examples", "1", "--scheme", "last", "--attack", "dlg"]
    paths = [str(tmp_path / w) if w in ("net.pt2", "data.npz", "audit") else w for w in words[1:]]
    done = CliRunner().invoke(app, ["audit", *paths])
    assert done.exit_code == 0, done.output
    kept = json.loads((tmp_path / "audit" / "rows.json").read_text())
    assert [row["adaptive"] for row in kept["rows"]] == [False, True]
    assert kept["verdicts"][0].startswith("topk:0.5: the best of what was tried")
    assert (tmp_path / "audit" / "reconstructions.png").stat().st_size > 1000
