"""Gradients of what several operators are made of: those of autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("onnx", reason="needs pip install trainlet[onnx]")

from onnx import helper

import trainlet as tl
from networks.gradients import oracle_gradients
from onnx_files.written import drawn, written
from trainlet.errors import FileError, UnsupportedError
from zoo import Case

LABEL = torch.tensor([1])


def check_gradients(path, x, model, **parameters):
    """Of the cross-entropy of the file's output, and of what `model` makes of tensors."""
    own = {name: torch.tensor(v, requires_grad=True) for name, v in parameters.items()}
    F.cross_entropy(model(torch.from_numpy(x), **own).reshape(1, -1), LABEL).backward()
    case = Case(torch.nn.Identity(), torch.from_numpy(x), LABEL, 2)
    made = oracle_gradients(tl.load(path), case, dict.fromkeys(parameters, 1.0))
    for name, tensor in own.items():
        assert tensor.grad is not None
        np.testing.assert_allclose(made[name], tensor.grad, rtol=1e-4, atol=1e-6, err_msg=name)


FUNCTIONS = {
    "Asinh": (torch.asinh, [-300.0, -2.0, -1e-3, 0.0, 1e-3, 2.0]),
    "Acosh": (torch.acosh, [1.01, 1.5, 2.0, 3.0, 10.0, 400.0]),
    "Atanh": (torch.atanh, [-0.9, -0.5, 0.0, 0.1, 0.5, 0.9]),
    "ReduceProd": (lambda x: torch.stack([x[0, :5].prod(), x[0, 5:].prod()]), None),
}


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_functions(tmp_path, kind):
    function, values = FUNCTIONS[kind]
    x, tensors, how = np.array([values or [1.5, -0.5, 2.0, 1.0, 0.3] * 2], np.float32), {}, {}
    rows = [("Mul", ["x", "w"], ["a"], {})]
    if kind == "ReduceProd":
        rows.append(("Reshape", ["a", "shape"], ["b"], {}))
        tensors = {"shape": [1, 2, 5], "axes": [2]}
        rows.append((kind, ["b", "axes"], ["y"], {"keepdims": 0}))
    else:
        rows.append((kind, ["a"], ["y"], how))
    w = np.ones_like(x)
    path = written(tmp_path, rows, x, {"w": w, **tensors})
    check_gradients(path, x, lambda x, w: function(x * w), w=w)


def test_a_gru_that_resets_first(tmp_path):
    """The state is reset before the product with the new state's weights."""
    units, x = 4, drawn(5, 1, 3)
    w, r, b = drawn(1, 3 * units, 3), drawn(1, 3 * units, units) * 0.5, drawn(1, 6 * units)
    rows = [("GRU", ["x", "w", "r", "b"], ["", "h"], {"hidden_size": units}),
            ("Squeeze", ["h", "axes"], ["y"], {})]  # fmt: skip
    path = written(tmp_path, rows, x, {"w": w, "r": r, "b": b, "axes": [0]})

    def model(x, w, r, **biases):
        z_r_h = [v.reshape(3, units, -1) for v in (w, r, biases["b"], biases["b.state"])]
        (rw, zw, hw), (rr, zr, hr), (rb, zb, hb), (rc, zc, hc) = z_r_h
        h = torch.zeros(1, units)
        for step in x:
            reset = torch.sigmoid(step @ rw.T + rb[:, 0] + h @ rr.T + rc[:, 0])
            kept = torch.sigmoid(step @ zw.T + zb[:, 0] + h @ zr.T + zc[:, 0])
            new = torch.tanh(step @ hw.T + hb[:, 0] + (reset * h) @ hr.T + hc[:, 0])
            h = (1 - kept) * new + kept * h
        return h

    def ordered(v):
        return v.reshape(3, units, -1)[[1, 0, 2]].reshape(3 * units, -1)

    biases = b.reshape(2, 3 * units)
    own = {"w": ordered(w), "r": ordered(r), "b": ordered(biases[0])[:, 0],
           "b.state": ordered(biases[1])[:, 0]}  # fmt: skip
    check_gradients(path, x, model, **own)


def test_attention_of_shared_heads(tmp_path):
    q, k, v = drawn(1, 4, 3, 8), drawn(1, 2, 3, 8), drawn(1, 2, 3, 8)
    rows = [
        ("Attention", ["x", "k", "v"], ["a"], {"is_causal": 1}),
        ("ReduceMean", ["a", "axes"], ["b"], {}),
        ("Flatten", ["b"], ["y"], {}),
    ]
    path = written(tmp_path, rows, q, {"k": k, "v": v, "axes": [1, 2]})

    def model(x, k, v):
        y = F.scaled_dot_product_attention(x, k, v, is_causal=True, enable_gqa=True)
        return y.mean((1, 2))

    check_gradients(path, q, model, k=k, v=v)


EINSUMS = ["ij,jk->ik", "ij,kj->ki", "aij,ajk->aik", "abi,bik->ka", "ij,ij->", "ij,k->jk"]


@pytest.mark.parametrize("equation", EINSUMS)
def test_products_that_an_equation_describes(tmp_path, equation):
    sizes = dict(zip("aijkb", (2, 3, 4, 5, 2), strict=True))
    first, second = equation.split("->")[0].split(",")
    x, w = (drawn(*(sizes[c] for c in own)) for own in (first, second))
    rows = [("Einsum", ["x", "w"], ["a"], {"equation": equation}),
            ("Reshape", ["a", "shape"], ["y"], {})]  # fmt: skip
    if equation.endswith(">"):
        rows.append(("Concat", ["y", "y"], ["z"], {"axis": 1}))
        rows[1], rows[2] = (*rows[1][:2], ["b"], {}), ("Concat", ["b", "x0"], ["y"], {"axis": 1})
    path = written(tmp_path, rows, x, {"w": w, "shape": [1, -1], "x0": drawn(1, 3)})

    def model(x, w):
        y = torch.einsum(equation, x, w).reshape(1, -1)
        return torch.cat([y, torch.from_numpy(drawn(1, 3))], 1) if equation.endswith(">") else y

    check_gradients(path, x, model, w=w)


PARTS = {
    "GatherND": ({"i": [[0, 2], [1, -1]]}, lambda x, w: (x * w)[[0, 1], [2, 2]]),
    "ScatterND": (
        {"i": [[1], [0]], "u": drawn(2, 3)[::-1].copy()},
        lambda x, w: torch.cat([torch.from_numpy(drawn(2, 3)), (x * w)[2:]]),
    ),
}


@pytest.mark.parametrize("kind", PARTS)
def test_slices_that_indices_name(tmp_path, kind):
    tensors, model = PARTS[kind]
    x, w = drawn(4, 3), drawn(4, 3)
    rows = [("Mul", ["x", "w"], ["a"], {}), (kind, ["a", *tensors], ["b"], {}),
            ("Reshape", ["b", "shape"], ["y"], {})]  # fmt: skip
    path = written(tmp_path, rows, x, {"w": w, "shape": [1, -1], **tensors})
    check_gradients(path, x, model, w=w)


def test_a_clip_with_one_bound(tmp_path):
    rows = [("Mul", ["x", "w"], ["a"], {}), ("Clip", ["a", "low", ""], ["y"], {})]
    x, w = drawn(1, 5), drawn(1, 5) + 1
    path = written(tmp_path, rows, x, {"w": w, "low": np.float32(0.1)})
    check_gradients(path, x, lambda x, w: (x * w).clamp(min=0.1), w=w)


def function(name, *nodes, inputs=("x",), outputs=("y",)):
    opsets = [helper.make_opsetid("", 23), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, inputs, outputs, list(nodes), opsets)


def test_functions_of_the_file_are_written_out(tmp_path):
    """One calls another, and is called twice."""
    scaled = function("Scaled", helper.make_node("Mul", ["x", "w"], ["y"]), inputs=("x", "w"))
    outer = function(
        "Outer", helper.make_node("Scaled", ["x", "w"], ["a"], domain="own"),
        helper.make_node("Tanh", ["a"], ["y"]), inputs=("x", "w"),
    )  # fmt: skip
    x, w = drawn(1, 4), drawn(4)
    rows = [("Outer", ["x", "w"], ["a"], {"domain": "own"}),
            ("Outer", ["a", "w"], ["y"], {"domain": "own"})]  # fmt: skip
    path = written(tmp_path, rows, x, {"w": w}, [outer, scaled])
    check_gradients(path, x, lambda x, w: torch.tanh(torch.tanh(x * w) * w), w=w)


def test_functions_that_grow_without_bound_are_refused(tmp_path):
    def calling(name, other):
        return function(name, helper.make_node(other, ["x"], ["a"], domain="own"),
                        helper.make_node(other, ["a"], ["y"], domain="own"))  # fmt: skip

    rows = [("F0", ["x"], ["y"], {"domain": "own"})]
    last = function("F40", helper.make_node("Relu", ["x"], ["y"]))
    many = [*(calling(f"F{k}", f"F{k + 1}") for k in range(40)), last]
    with pytest.raises(FileError, match="with its functions written out: 8,192 operations"):
        tl.load(written(tmp_path, rows, drawn(1, 4), {}, many))
    with pytest.raises(FileError, match="calls itself"):
        tl.load(written(tmp_path, rows, drawn(1, 4), {}, [calling("F0", "F0")]))


@pytest.mark.parametrize("groups", [1, 2])
def test_a_transposed_convolution_of_volumes(tmp_path, groups):
    x, w, b = drawn(1, 4, 3, 2, 4), drawn(4, 3, 2, 2, 3), drawn(3 * groups)
    how = {"strides": [2, 1, 2], "pads": [1, 0, 2, 1, 0, 2], "group": groups,
           "output_padding": [1, 0, 1]}  # fmt: skip
    rows = [("ConvTranspose", ["x", "w", "b"], ["a"], how), ("Flatten", ["a"], ["y"], {})]
    path = written(tmp_path, rows, x, {"w": w, "b": b}, opset=21)

    def model(x, w, b):
        return F.conv_transpose3d(x, w, b, (2, 1, 2), (1, 0, 2), (1, 0, 1), groups)

    check_gradients(path, x, model, w=w, b=b)
    rows[0] = ("ConvTranspose", ["x", "w", "b"], ["a"], {"auto_pad": "SAME_UPPER"})
    with pytest.raises(UnsupportedError, match="auto_pad='SAME_UPPER' of a volume"):
        tl.load(written(tmp_path, rows, x, {"w": w, "b": drawn(3)}), check=False)


def test_a_pool_of_powers_over_volumes(tmp_path):
    x, w = drawn(1, 2, 5, 6, 4), np.ones((1, 1, 1, 1, 1), np.float32)
    how = {"kernel_shape": [2, 3, 2], "strides": [2, 1, 1], "pads": [1] * 6, "p": 3}
    rows = [("Mul", ["x", "w"], ["a"], {}), ("LpPool", ["a"], ["b"], how),
            ("Flatten", ["b"], ["y"], {})]  # fmt: skip
    path = written(tmp_path, rows, x, {"w": w}, opset=18)

    def model(x, w):
        powers = F.pad((x * w).abs() ** 3, (1,) * 6)
        return (12 * F.avg_pool3d(powers, (2, 3, 2), (2, 1, 1))) ** (1 / 3)

    check_gradients(path, x, model, w=w)


def test_a_softmax_at_the_end_is_apart(tmp_path):
    x, w = drawn(1, 3), {"w": drawn(3, 4)}
    rows = [("Gemm", ["x", "w"], ["a"], {}), ("Softmax", ["a"], ["y"], {})]
    graph = tl.load(written(tmp_path, rows, x, w))
    assert graph.outputs["logits"].op == "linear"
    assert graph.outputs["probabilities"].op == "softmax"
    for loss, probabilities in (("cross_entropy", False), ("mse", True)):
        program = tl.compile(graph, None, "full", target="host", loss=loss)
        with program.build("host") as trainer:
            assert np.isclose(trainer.predict(x).sum(), 1) == probabilities
