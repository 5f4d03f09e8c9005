"""Networks that PyTorch's exporter wrote: their parameters keep their names, and a step of training
is PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import trainlet as tl
from onnx_files.networks import OPSET, export
from trainlet.errors import FileError
from zoo import NETWORKS

pytest.importorskip("onnx", reason="needs pip install trainlet[onnx]")
RATE = 0.05


@pytest.mark.parametrize("opset", [11, 20])
@pytest.mark.parametrize("name", NETWORKS)
def test_has_the_parameters_of_the_model(tmp_path, name, opset):
    """`load` compares every operator with onnxruntime."""
    if name == "cct2" and opset < 14:
        pytest.skip("PyTorch exports attention from opset 14 on")
    case = NETWORKS[name](2)
    graph = tl.load(export(case.model, case.x, tmp_path / "net.onnx", opset))
    if name == "recurrent":  # the exporter joins the gates' weights in ONNX's order
        return
    own = {name: tuple(p.shape) for name, p in case.model.named_parameters()}
    found = {n.name: n.type.shape for n in graph.leaves("param")}
    assert found.keys() == own.keys()
    assert sum(map(np.prod, found.values())) == sum(map(np.prod, own.values()))


@pytest.mark.parametrize(("name", "opset"), [("mlp", OPSET), ("resnet8", OPSET), ("cct2", 14)])
def test_a_step_is_that_of_torch(tmp_path, name, opset):
    """Opset 14 has neither attention nor layer norms: the exporter writes their arithmetic."""
    case = NETWORKS[name](2)
    path = export(case.model, case.x, tmp_path / "net.onnx", opset)
    program = tl.compile(path, None, "full", target="host", optimizer=tl.SGD(lr=RATE))
    with program.build("host") as trainer:
        before = trainer.state()
        loss = trainer.step(case.x.numpy(), case.y.numpy())
        made = trainer.state()
    expected = F.cross_entropy(case.model(case.x), case.y)
    expected.backward()
    np.testing.assert_allclose(loss, expected.item(), rtol=1e-5)
    for own, p in case.model.named_parameters():
        if p.grad is None:
            continue
        moved, theirs = (before[own] - made[own]) / RATE, p.grad.numpy()
        moved = moved.T if moved.shape != theirs.shape else moved
        limit = 2e-3 * np.abs(theirs).max() + 1e-6
        np.testing.assert_allclose(moved, theirs, rtol=0, atol=limit, err_msg=own)


def test_an_open_batch_is_one_or_what_is_asked_for(tmp_path):
    case = NETWORKS["mlp"](2)
    path = export(case.model, case.x, tmp_path / "net.onnx", input_names=["x"],
                  dynamic_axes={"x": {0: "n"}})  # fmt: skip
    assert tl.load(path).outputs["logits"].type.shape[0] == 1
    assert tl.load(path, batch=5).outputs["logits"].type.shape[0] == 5
    fixed = export(case.model, case.x, tmp_path / "fixed.onnx")
    with pytest.raises(FileError, match="batch=5, but the file gives the size"):
        tl.load(fixed, batch=5)


def test_two_outputs_keep_their_names(tmp_path):
    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = torch.nn.Linear(4, 3)

        def forward(self, x):
            y = self.fc(x)
            return y, torch.relu(y)

    path = export(Two(), torch.zeros(1, 4), tmp_path / "net.onnx", output_names=["a", "b"])
    assert set(tl.load(path).outputs) == {"output.a", "output.b"}


def test_indices_of_an_embedding_are_an_input_of_integers(tmp_path):
    class Words(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.fc = torch.nn.Embedding(7, 4), torch.nn.Linear(4, 2)

        def forward(self, x):
            return self.fc(self.table(x).mean(1))

    path = export(Words(), torch.tensor([[1, 2, 6]]), tmp_path / "net.onnx")
    (x,) = tl.load(path).leaves("input")
    assert (x.type.dtype, x.attrs["below"]) == ("int32", 7)
