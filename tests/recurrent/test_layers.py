"""nn.LSTM, nn.GRU and nn.RNN: the first step equals autograd's, for each scheme."""

import pytest
import torch
from torch import nn

import trainlet as tl
from recurrent.networks import Recurrent, batch, check_step, compiled
from trainlet.errors import UnsupportedError
from trainlet.run.dataset import Dataset
from trainlet.run.fit import score

LAYERS = {
    "lstm": lambda **k: nn.LSTM(3, 4, **k),
    "gru": lambda **k: nn.GRU(3, 4, **k),
    "rnn": lambda **k: nn.RNN(3, 4, **k),
    "rnn_relu": lambda **k: nn.RNN(3, 4, nonlinearity="relu", **k),
}
OPTIONS = {
    "plain": {},
    "batch first": {"batch_first": True},
    "two layers": {"num_layers": 2},
    "both directions": {"bidirectional": True},
    "all": {"num_layers": 2, "bidirectional": True, "batch_first": True, "bias": False},
}


def network(layer: str, options: str = "plain", reads: str = "last step") -> Recurrent:
    torch.manual_seed(0)
    return Recurrent(LAYERS[layer](**OPTIONS[options]), reads).eval()


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("layer", LAYERS)
def test_trained_through_time(layer, options):
    model = network(layer, options)
    x, y = batch(model.layer, 6, 2)
    program = compiled(model, x, "full")
    assert len(program.params) == len(list(model.parameters()))
    check_step(model, program, x, y, built=layer != "rnn_relu")


@pytest.mark.parametrize("reads", ["last state", "mean", "first step"])
@pytest.mark.parametrize("layer", ["lstm", "gru"])
def test_whatever_is_read_of_it(layer, reads):
    model = network(layer, "both directions", reads)
    x, y = batch(model.layer, 5, 1)
    check_step(model, compiled(model, x, "full"), x, y)


@pytest.mark.parametrize("layer", LAYERS)
def test_each_scheme(layer):
    model = network(layer, "two layers")
    x, y = batch(model.layer, 5, 1)
    for scheme, count in (("last", 2), ("bias", 6)):
        program = compiled(model, x, scheme)
        assert len(program.params) == count
        check_step(model, program, x, y)
    alone = tl.UpdateScheme({"layer.weight_hh_l0": 1.0, "layer.weight_ih_l1": 1.0})
    check_step(model, compiled(model, x, alone), x, y, built=True)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_share_of_the_channels(layer):
    model = network(layer)
    x, y = batch(model.layer, 5, 1)
    whole = tl.evaluate(compiled(model, x, "full"), x.numpy(), y.numpy().astype("int32"))[2]
    for name in ("layer.weight_hh_l0", "layer.weight_ih_l0"):
        half = compiled(model, x, tl.UpdateScheme({name: 0.5}))
        found = tl.evaluate(half, x.numpy(), y.numpy().astype("int32"))[2][name]
        old, edge = dict(model.named_parameters())[name].detach().numpy(), 2
        assert (found[:, edge:] == old[:, edge:]).all()
        torch.testing.assert_close(found[:, :edge], whole[name][:, :edge])


class Given(nn.Module):
    """The initial states are learnt, or are inputs of the model."""

    def __init__(self, learnt: bool) -> None:
        super().__init__()
        self.layer, self.fc, self.learnt = nn.LSTM(3, 4), nn.Linear(4, 5), learnt
        if learnt:
            self.h = nn.Parameter(torch.randn(1, 1, 4))
            self.c = nn.Parameter(torch.randn(1, 1, 4))

    def forward(self, x, *state):
        return self.fc(self.layer(x, (self.h, self.c) if self.learnt else state)[0][-1])


def test_learns_its_initial_states():
    torch.manual_seed(0)
    model = Given(True).eval()
    x, y = batch(model.layer, 5, 1)
    program = compiled(model, x, "full")
    assert {"h", "c"} <= {n.name for n in program.params}
    check_step(model, program, x, y, built=True)


def test_takes_its_initial_states_as_inputs():
    torch.manual_seed(0)
    model = Given(False).eval()
    x, y = batch(model.layer, 5, 1)
    h, c = torch.randn(2, 1, 1, 4)
    program = tl.compile(model, (x, h, c), tl.schemes.full(model), target="host")
    given = tuple(t.numpy() for t in (x, h, c))
    with program.build("host") as trainer:
        logits = torch.tensor(trainer.predict(given))
        loss = trainer.step(given, y.numpy().astype("int32"))
    torch.testing.assert_close(logits, model(x, h, c).detach())
    assert loss == pytest.approx(nn.functional.cross_entropy(model(x, h, c), y).item(), abs=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_projects_its_state(bias):
    torch.manual_seed(0)
    model = Recurrent(nn.LSTM(3, 4, 2, proj_size=2, bias=bias, bidirectional=True)).eval()
    model.fc = nn.Linear(4, 5)
    x, y = batch(model.layer, 5, 2)
    check_step(model, compiled(model, x, "full"), x, y)


def test_refuses_a_packed_sequence():
    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.fc = nn.GRU(3, 4), nn.Linear(4, 5)

        def forward(self, x):
            packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([5, 3]))
            return self.fc(self.layer(packed)[1][-1])

    with pytest.raises(UnsupportedError):
        tl.compile(Packed().eval(), torch.zeros(5, 2, 3), "full")


class Unrolled(nn.Module):
    """A loop of Python over a cell: torch.export unrolls it."""

    def __init__(self, cell: nn.RNNCellBase) -> None:
        super().__init__()
        self.cell, self.fc = cell, nn.Linear(cell.hidden_size, 5)

    def forward(self, x):
        state = None
        for t in range(x.shape[0]):
            state = self.cell(x[t], state)
        return self.fc(state[0] if isinstance(state, tuple) else state)


class Peephole(nn.Module):
    """A cell that somebody wrote; it shows what it has in common with a layer."""

    hidden_size = 4

    def __init__(self) -> None:
        super().__init__()
        self.w, self.peep = nn.Linear(7, 8), nn.Parameter(torch.randn(4))

    def forward(self, x, state):
        h = x.new_zeros(x.shape[0], 4) if state is None else state
        gate, new = self.w(torch.cat([x, h], 1)).chunk(2, 1)
        gate = torch.sigmoid(gate + self.peep * h)
        return gate * h + (1 - gate) * torch.tanh(new)


@pytest.mark.parametrize(
    "cell", [nn.LSTMCell, nn.GRUCell, nn.RNNCell, lambda *_: Peephole()],
    ids=["lstm", "gru", "rnn", "own"],
)  # fmt: skip
def test_a_loop_over_a_cell(cell):
    torch.manual_seed(0)
    model = Unrolled(cell(3, 4)).eval()
    x, y = batch(nn.RNN(3, 4), 4, 2)
    for scheme in ("full", "bias"):
        check_step(model, compiled(model, x, scheme), x, y, built=scheme == "full")


class Everything(nn.Module):
    """Outputs, last outputs and last cell states at once, of a stack that is read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.again = nn.LSTM(3, 4), nn.GRU(4, 4, bidirectional=True)
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        y, (h, c) = self.layer(x)
        z, last = self.again(y * y, h.expand(2, -1, -1))
        return self.fc(y.mean(0) + y[2] + h[-1] + c[0] + z[1:4].mean(0)[:, :4] + last.sum(0))


@pytest.mark.parametrize("rows", [1, 2])
def test_all_that_a_layer_returns(rows):
    torch.manual_seed(0)
    model = Everything().eval()
    x, y = batch(model.layer, 5, rows)
    for scheme in ("full", "last"):
        check_step(model, compiled(model, x, scheme), x, y, built=True)


def test_a_data_set_is_scored_in_batches_of_the_model_though_time_comes_first_on_the_device():
    model = network("gru", "batch first")
    x, y = batch(model.layer, 6, 2)
    program = compiled(model, x, "last")
    with program.build("host") as trainer:
        *_, last = score(trainer, Dataset(x.numpy(), y.numpy()))
        logits = trainer.predict(x.numpy())
    assert last.done == last.total == 1
    assert last.accuracy == (logits.argmax(1) == y.numpy()).mean()
