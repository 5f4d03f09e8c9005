"""Writes into tensors: torch's value through every view, or a refusal that names the write."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import trainlet as tl
from imports.support import Forward, check_step, model
from trainlet.errors import UnsupportedError

X = torch.randn(2, 6, generator=torch.Generator().manual_seed(1))


def slice_times_two(s: nn.Module, x: Tensor) -> Tensor:
    h = s.a(x)
    h[:, :3].mul_(2.0)
    return s.b(h)


def view_before_the_write(s: nn.Module, x: Tensor) -> Tensor:
    h = s.a(x)
    v = h.t()
    h.add_(1.0)
    return s.b(v.t())


def chain_of_views(s: nn.Module, x: Tensor) -> Tensor:
    h = s.a(x)
    h.view(2, 2, 4)[:, 1].transpose(0, 1)[1:3].add_(x[:1, :2]).mul_(-1)
    return s.b(h)


def items_set(s: nn.Module, x: Tensor) -> Tensor:
    h = s.a(x)
    h[:, 1] = 0
    h[0] = h[1] * 2
    h[:, ::2] += 1
    h[..., -1] = x[:, 0]
    return s.b(h)


def filled(s: nn.Module, x: Tensor) -> Tensor:
    h = s.a(x)
    h[:, 4:].zero_()
    h[1].fill_(0.5)
    return s.b(torch.tanh(h) + h)


def copied(s: nn.Module, x: Tensor) -> Tensor:
    h = torch.zeros(2, 8)
    h[:, :6].copy_(x)
    h[:, 6:] = s.a(x)[:, :2]
    return s.b(h * s.g)


def masked(s: nn.Module, x: Tensor) -> Tensor:
    h = s.a(x)
    mask = torch.arange(8) % 3 == 0
    h.masked_fill_(mask, 2.0)
    return s.b(h)


def indexed(s: nn.Module, x: Tensor) -> Tensor:
    h = s.a(x)
    h[torch.tensor([0, 1]), torch.tensor([1, 2])] = 3.0
    return s.b(h)


def input_changed(s: nn.Module, x: Tensor) -> Tensor:
    x.mul_(2)
    return s.b(s.a(x))


def activations(s: nn.Module, x: Tensor) -> Tensor:
    h = s.a(x)
    v = h[:, 1:]
    F.relu_(h)
    return s.b(h) + v.sum(1, keepdim=True)


def cache_overwritten(s: nn.Module, x: Tensor) -> Tensor:
    s.cache.copy_(s.a(x))
    return s.b(s.cache)


def counter_that_nobody_reads(s: nn.Module, x: Tensor) -> Tensor:
    s.n.add_(1)
    return s.b(s.a(x))


def constants_changed(s: nn.Module, x: Tensor) -> Tensor:
    scale = torch.ones(8)
    scale[2:5] *= 3
    return s.b(s.a(x) * scale)


RIGHT = [
    slice_times_two, view_before_the_write, chain_of_views, items_set, filled, copied, masked,
    indexed, input_changed, activations, cache_overwritten, counter_that_nobody_reads,
    constants_changed,
]  # fmt: skip


@pytest.mark.parametrize("forward", RIGHT, ids=lambda f: f.__name__)
def test_a_write_is_seen_through_every_view(forward: Forward):
    check_step(model(forward), X)


def test_a_file_takes_the_same_way(tmp_path):
    net = model(slice_times_two)
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(net, (X,)), path)
    logits = tl.forward(tl.load(path), X.numpy())
    torch.testing.assert_close(torch.tensor(logits), net(X))


def test_the_users_program_is_left_as_it_is():
    program = torch.export.export(model(slice_times_two), (X,))
    before = program.graph_module.code
    tl.compile(program, None, "last", target="host")
    assert program.graph_module.code == before


def counter(s: nn.Module, x: Tensor) -> Tensor:
    s.n.add_(1)
    return s.a(x)[:, :3] * s.n


def counter_through_a_view(s: nn.Module, x: Tensor) -> Tensor:
    s.cache[0, 2:].mul_(2)
    return s.b(s.a(x) + s.cache)


def running_mean(s: nn.Module, x: Tensor) -> Tensor:
    h = s.a(x)
    s.cache.lerp_(h.detach(), 0.1)
    return s.b(h - s.cache)


@pytest.mark.parametrize(
    ("forward", "operator", "buffer"),
    [(counter, "add_", "n"), (counter_through_a_view, "mul_", "cache")],
)
def test_state_that_lasts_is_refused_by_its_name(forward: Forward, operator: str, buffer: str):
    said = rf"^{operator} \(.*py:\d+\) changes the buffer '{buffer}' in forward"
    with pytest.raises(UnsupportedError, match=said):
        tl.compile(model(forward), X, "last")


def test_a_running_mean_of_the_users_own_is_refused():
    with pytest.raises(UnsupportedError, match=r"lerp|cache"):
        tl.compile(model(running_mean), X, "last")


def parameter_changed(s: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        s.g.clamp_(0, 1)
    return s.b(s.a(x)) * s.g


def unseen_by_autograd(s: nn.Module, x: Tensor) -> Tensor:
    h = s.a(x)
    with torch.no_grad():
        h.mul_(2)
    return s.b(h)


def behind_detach(s: nn.Module, x: Tensor) -> Tensor:
    h = s.a(x)
    h.detach().mul_(2)
    return s.b(h)


@pytest.mark.parametrize(
    ("forward", "operator"),
    [(parameter_changed, "clamp_"), (unseen_by_autograd, "mul_"), (behind_detach, "mul_")],
)
def test_a_write_that_autograd_does_not_see_is_refused(forward: Forward, operator: str):
    said = rf"^{operator} \(.*py:\d+\) changes a tensor .* where autograd"
    with pytest.raises(UnsupportedError, match=said):
        tl.compile(model(forward), X, "last")


def two_views_at_once(s: nn.Module, x: Tensor) -> Tensor:
    first, second = s.a(x).chunk(2, 1)
    first.mul_(2)
    return s.b(torch.cat([first, second], 1))


def data_changed(s: nn.Module, x: Tensor) -> Tensor:
    h = s.a(x)
    h.data.mul_(2)
    return s.b(h)


@pytest.mark.parametrize("forward", [two_views_at_once, data_changed], ids=lambda f: f.__name__)
def test_what_torch_does_not_export_is_refused(forward: Forward):
    with pytest.raises(UnsupportedError, match=r"torch\.export cannot export the model"):
        tl.compile(model(forward), X, "last")


def test_a_write_that_leaves_nothing_of_the_input():
    class Overwritten(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = nn.Linear(4, 1), nn.Linear(1, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = self.layer(x) + 0.1
            h[:, -1:] = 0.3
            return self.head(h)

    with pytest.raises(tl.errors.UnsupportedError, match="does not depend on the input 'x'"):
        tl.compile(Overwritten().eval(), torch.zeros(1, 4), "full", target="host")
