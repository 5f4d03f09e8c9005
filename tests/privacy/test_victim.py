"""The attacker's derivatives are those of the compiled step."""

import numpy as np
import pytest
import torch

import trainlet as tl
from trainlet.errors import DataError, UnsupportedError
from trainlet.privacy.attacks.labels import recover_labels
from trainlet.privacy.observed import observe
from trainlet.privacy.share import parse_share
from trainlet.privacy.victim import Victim
from zoo import NETWORKS

from .networks import picture, sigmoid_net, victim


def gradients(v: Victim, x: np.ndarray, y: np.ndarray) -> tuple[dict, dict]:
    found = v.gradients(torch.from_numpy(x), torch.from_numpy(y), create=False)
    return v.shared(x, y), {name: g.numpy() for name, g in found.items()}


@pytest.mark.parametrize("name", ["ds_cnn", "se_hardswish", "cct2"])
def test_gradients_are_those_of_the_compiled_step(name):
    case = NETWORKS[name]()
    v = Victim(tl.train(tl.prepare(case.model, case.x, check=False), "full", stop_after="split"))
    ours, theirs = gradients(v, case.x.numpy(), case.y.numpy())
    for key, g in ours.items():
        assert np.abs(g - theirs[key]).max() <= 1e-4 * np.abs(g).max() + 1e-7, key


def test_gradients_of_integers_point_the_same_way():
    case = NETWORKS["ds_cnn"]()
    graph = tl.prepare(case.model, case.x, precision="int8", calibration=[case.x], check=False)
    v = Victim(tl.train(graph, "bias", stop_after="split"))
    ours, theirs = gradients(v, case.x.numpy(), case.y.numpy())
    a = np.concatenate([g.ravel() for g in ours.values()])
    b = np.concatenate([theirs[name].ravel() for name in ours])
    assert a @ b > 0.98 * np.linalg.norm(a) * np.linalg.norm(b)


def test_of_a_sparse_weight_only_the_channels_that_learn_are_shared():
    scheme = {"2.weight": 0.5, "5.bias": 1.0}
    v = victim(sigmoid_net(), (1, 1, 8, 8), scheme)
    ours, theirs = gradients(v, picture(), np.array([1]))
    assert {name: g.size for name, g in ours.items()} == {"2.weight": 6 * 3 * 9, "5.bias": 4}
    assert np.allclose(ours["2.weight"], theirs["2.weight"], atol=1e-6)


@pytest.mark.parametrize("text", ["none", "int8", "topk:0.1", "noise:0.1", "sign"])
@pytest.mark.parametrize("scheme", ["full", "last", {"5.weight": 1.0}])
def test_labels_are_recovered_from_the_last_layer(scheme, text):
    v, share = victim(sigmoid_net(), (1, 1, 8, 8), scheme), parse_share(text)
    for label in range(4):
        message = share.apply(v.shared(picture(), np.array([label])), np.random.default_rng(0))
        assert recover_labels(v, observe(message, share)).tolist() == [label]


def test_labels_of_a_batch_are_recovered_as_a_set():
    v, y = victim(sigmoid_net(), (3, 1, 8, 8)), np.array([3, 1, 3])
    share = parse_share("none")
    message = share.apply(v.shared(picture(3), y), np.random.default_rng(0))
    assert recover_labels(v, observe(message, share)).tolist() == [1, 3, 3]


def test_without_the_last_layer_no_label_is_claimed():
    v, share = victim(sigmoid_net(), (1, 1, 8, 8), {"0.weight": 1.0}), parse_share("none")
    message = share.apply(v.shared(picture(), np.array([1])), np.random.default_rng(0))
    assert recover_labels(v, observe(message, share)) is None


def test_another_loss_is_refused():
    graph = tl.prepare(sigmoid_net(), torch.zeros(1, 1, 8, 8), check=False)
    with pytest.raises(UnsupportedError, match="one output and a cross_entropy"):
        Victim(tl.train(graph, "full", loss="mse", stop_after="split"))


def test_examples_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="a multiple of the batch, 2"):
        tl.audit(sigmoid_net(), torch.zeros(2, 1, 8, 8), x=picture(3), y=[0, 1, 2])
    with pytest.raises(DataError, match=r"labels in 0\.\.3"):
        tl.audit(sigmoid_net(), torch.zeros(1, 1, 8, 8), x=picture(), y=[4])
