"""Whole networks: PyTorch's gradients, and the bytes that autograd keeps."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import trainlet as tl
from saving.networks import NETWORKS, network
from trainlet.torch.saved import learning

X, Y = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 7])
TIMES = 10


def stock_bytes(model: nn.Module, preset: str) -> int:
    with learning(model, tl.schemes.preset(preset, model).ratios):
        return tl.torch.saved_bytes(model, lambda: model(X))


def gradients(model: nn.Module, x: Tensor = X) -> dict[str, Tensor]:
    model.zero_grad()
    F.cross_entropy(model(x.to(next(model.parameters()).dtype)), Y).backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def compare(model: nn.Module, names: set[str], ours: dict[str, Tensor]) -> None:
    """The gradients of a converted model with those of PyTorch."""
    with learning(model, names):
        theirs = gradients(model)
    assert ours.keys() == theirs.keys() == names
    for name, grad in ours.items():
        torch.testing.assert_close(grad, theirs[name], msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("name", ["MobileNetV2", "ResNet-50"])
def test_a_tenth_for_bias_and_last(name):
    model = network(name)
    stock = stock_bytes(model, "bias")
    tl.torch.save_memory(model, "bias")
    assert TIMES * tl.torch.saved_bytes(model, lambda: model(X)) <= stock


def test_a_transformer_keeps_the_values_of_attention():
    """Attention needs its queries, keys, values and result, of 10.8 values for each value of a
    layer's input; norms and GELU are in 8 bits.  A tenth needs layers that run again."""
    model = network("vision transformer")
    stock = stock_bytes(model, "bias")
    tl.torch.save_memory(model, "bias", "int8")
    assert 1.9 < stock / tl.torch.saved_bytes(model, lambda: model(X)) < 2
    tl.torch.save_memory(model, "bias", "int8", recompute=["layers.*"])
    assert stock / tl.torch.saved_bytes(model, lambda: model(X)) > TIMES


@pytest.mark.parametrize("preset", ["bias", "last", "norm", "full"])
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_those_of_torch(name, preset):
    model = network(name).double()
    ours = copy.deepcopy(model)
    tl.torch.save_memory(ours, preset)
    assert torch.equal(ours(X.double()), model(X.double()))
    compare(model, set(tl.schemes.preset(preset, model).ratios), gradients(ours))


@pytest.mark.parametrize("precision", ["exact", "int8"])
def test_recomputed_gradients_are_those_of_torch(precision):
    """In int8 too: inside layers that run again nothing is kept in 8 bits.  Outside, the last norm
    would be."""
    model = network("vision transformer").double()
    model.norm = nn.Identity()
    ours = copy.deepcopy(model)
    tl.torch.save_memory(ours, "bias", precision, recompute=["layers.*"])
    compare(model, set(tl.schemes.bias(model).ratios), gradients(ours))


def test_a_sparse_scheme():
    """Bytes of the shares of inputs; their gradients are PyTorch's, the others zero."""
    model = network("MobileNetV2").double()
    scheme = tl.UpdateScheme(
        {
            "features.16.conv.0.0.weight": 0.5,  # pointwise, 160 channels of 2x2
            "features.16.conv.1.0.weight": 0.25,  # depthwise, 960 channels of 2x2
            "classifier.1.weight": 0.125,
            "classifier.1.bias": 1.0,
        }
    )
    ours = copy.deepcopy(model)
    tl.torch.save_memory(ours, scheme)
    found = gradients(ours)
    with learning(model, scheme.ratios):
        theirs = gradients(model)
    for name, grad in theirs.items():
        share = scheme.ratios[name]
        axis = 0 if name == "features.16.conv.1.0.weight" else 1
        if share < 1:
            frozen = round(grad.shape[axis] * share)
            grad.narrow(axis, frozen, grad.shape[axis] - frozen).zero_()
        torch.testing.assert_close(found[name], grad)
    masks = tl.torch.saved_bytes(ours, lambda: ours(X.double()))
    inputs = 8 * 2 * (80 * 4 + 240 * 4 + 160)
    bits = 2 * (2 * 960 * 4 + 1280 * 4 + 960 * 4 + 960 * 4) // 8  # of layers 16, 17 and the last
    assert masks == inputs + bits


def test_accumulated_gradients_are_the_sum():
    model = network("MobileNetV2").double()
    tl.torch.save_memory(model, "bias")
    first = {name: g.clone() for name, g in gradients(model).items()}
    F.cross_entropy(model(X.double()), Y).backward()
    for name, parameter in model.named_parameters():
        if name in first:
            torch.testing.assert_close(parameter.grad, 2 * first[name])


@pytest.mark.parametrize("name", NETWORKS)
def test_names_state_and_copies_stay(name):
    model = network(name)
    before, modules = model.state_dict(), [n for n, _ in model.named_modules()]
    weights = [n for n, p in model.named_parameters() if n.endswith("weight") and p.dim() > 1]
    scheme = {weights[-1]: 0.5, weights[1]: 0.5}
    recompute = ["layers.1"] if name == "vision transformer" else []
    tl.torch.save_memory(model, scheme, recompute=recompute)
    assert [n for n, _ in model.named_modules()] == modules
    assert model.state_dict().keys() == before.keys()
    expected = model(X)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(copied(X), expected)
        copied.load_state_dict(before)
        kept = tl.torch.saved_bytes(copied, lambda c=copied: c(X))
        assert kept == tl.torch.saved_bytes(model, lambda: model(X))


def test_restored():
    model = network("ResNet-50")
    kinds, names = [type(m) for m in model.modules()], tl.schemes.bias(model).ratios
    stock = stock_bytes(model, "bias")
    tl.torch.save_memory(model, {"fc.weight": 0.5}, recompute=["blocks.3"])
    tl.torch.restore(model)
    assert [type(m) for m in model.modules()] == kinds
    assert not any("_learning_channels" in name for name, _ in model.named_buffers())
    with learning(model, names):
        assert tl.torch.saved_bytes(model, lambda: model(X)) == stock


def test_it_trains():
    model = network("MobileNetV2")
    names = set(tl.schemes.bias(model))
    tl.torch.save_memory(model, "bias")
    assert {name for name, p in model.named_parameters() if p.requires_grad} == names
    frozen = model.features[3].conv[0][0].weight.clone()
    optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), 0.02)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X), Y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert torch.equal(frozen, model.features[3].conv[0][0].weight)


def test_the_report_tells_what_was_left():
    saving = tl.torch.save_memory(network("ResNet-50"), "bias")
    assert {(m.kind, m.keeps) for m in saving.left} == {
        ("Linear", "its input, since its weight learns")
    }
    assert len([m for m in saving.changed if m.kind == "Conv2d"]) == 53
    assert saving.table().row_count == 6


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("features.16.conv.0.0.weight", {"channels": [3, 64, 159]}),
        ("features.16.conv.1.0.weight", {"share": 0.01, "channels": "norm"}),
        ("classifier.1.weight", {"share": 0.005, "channels": "norm"}),
    ],
)
def test_chosen_channels(name, given):
    """Their gradients are PyTorch's; those of all others are zero."""
    model = network("MobileNetV2").double()
    weight = dict(model.named_parameters())[name].detach()
    axis = 0 if weight.shape[1] == 1 else 1
    norms = weight.movedim(axis, 0).flatten(1).norm(dim=1)
    channels = given["channels"]
    if channels == "norm":
        channels = norms.argsort(descending=True)[: round(len(norms) * given["share"])].tolist()
    ours = copy.deepcopy(model)
    tl.torch.save_memory(ours, {name: given})
    found = gradients(ours)[name]
    with learning(model, {name}):
        theirs = gradients(model)[name]
    torch.testing.assert_close(
        found.index_select(axis, torch.tensor(channels)),
        theirs.index_select(axis, torch.tensor(channels)),
    )
    assert found.count_nonzero() <= len(channels) * weight.numel() // len(norms)


def test_pytorchs_own_transformer_with_a_mask():
    """Its layers are called with masks by name, and compute attention and ReLU themselves."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True, norm_first=True)
    stock = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False).double()
    ours = copy.deepcopy(stock)
    x, mask = torch.randn(2, 5, 16, dtype=torch.float64), torch.ones(5, 5).triu(1).bool()
    names = {name for name, _ in stock.named_parameters() if name.endswith("bias")}
    saving = tl.torch.save_memory(ours, dict.fromkeys(names, 1.0), recompute=["layers.?"])
    assert ("MultiheadAttention", "queries, keys, values and its result") in {
        (m.kind, m.keeps) for m in saving.left
    }
    found = []
    for model in (ours, stock):
        with learning(model, names):
            kept = tl.torch.saved_bytes(model, lambda m=model: m(x, mask=mask))
            model(x, mask=mask).square().sum().backward()
        found.append((kept, {n: p.grad for n, p in model.named_parameters() if n in names}))
    for name in names:
        torch.testing.assert_close(found[0][1][name], found[1][1][name])
    assert 5 * found[0][0] < found[1][0]
