"""The networks are fit to test with: they export, and values and gradients are sane."""

import pytest
import torch
import torch.nn.functional as F

from zoo import NETWORKS

EVERY = pytest.mark.parametrize("name", NETWORKS)


@EVERY
def test_exports(name):
    case = NETWORKS[name](1)
    program = torch.export.export(case.model, (case.x,))
    assert torch.equal(program.module()(case.x), case.model(case.x))


@EVERY
def test_loss_and_gradients(name):
    case = NETWORKS[name](2)
    logits = case.model(case.x)
    assert logits.shape == (2, case.classes)
    assert 0.2 < logits.std() < 5

    F.cross_entropy(logits, case.y).backward()
    norms = {param: value.grad.norm().item() for param, value in case.model.named_parameters()}
    assert not {param: norm for param, norm in norms.items() if not 1e-4 < norm < 1e2}


@EVERY
def test_same_again(name):
    one, two = NETWORKS[name](1), NETWORKS[name](1)
    assert torch.equal(one.x, two.x) and torch.equal(one.y, two.y)
    for key, value in one.model.state_dict().items():
        assert torch.equal(value, two.model.state_dict()[key]), key


@EVERY
def test_batch_norms_are_not_the_identity(name):
    for module in NETWORKS[name](1).model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert not module.training
            values = (module.weight, module.bias, module.running_mean, module.running_var)
            assert all(value.std() > 1e-3 for value in values)
            assert module.running_var.min() > 1e-3
