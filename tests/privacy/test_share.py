"""What a share sends, how many bytes that takes, and what it refuses."""

import numpy as np
import pytest

from trainlet.errors import DataError, TrainletError
from trainlet.privacy import ErrorFeedback, Message, decode, encode, epsilon, parse_share

SHAPES = {"weight": (5, 7), "bias": (5,)}
SHARES = (
    "none", "fp16", "int8", "sign", "noise:0.1", "laplace:0.1", "prune:0.2", "topk:0.01",
    "topk:0.2,int8", "prune:0.5,sign", "clip:0.5,topk:0.3,fp16", "topk:0.2,noise:0.1",
    "clip:1,dp:0.5",
)  # fmt: skip


def gradients(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


def sent(text: str, given=None, memory=None) -> Message:
    made = gradients() if given is None else given
    return parse_share(text).apply(made, np.random.default_rng(1), memory)


@pytest.mark.parametrize("text", SHARES)
def test_the_bytes_of_a_message_are_counted_and_read_back(text):
    message = sent(text)
    blob = encode(message)
    assert len(blob) == message.nbytes
    found = decode(blob, SHAPES)
    for name, part in message.parts.items():
        assert np.array_equal(found.parts[name].sent(), part.sent())
        assert np.array_equal(found.parts[name].values, part.values)
        assert found.parts[name].coding == part.coding


def test_top_k_sends_the_largest_and_counts_its_indices():
    message = sent("topk:0.1", {"w": np.r_[-50:0, 0:50].astype(np.float32)})
    part = message.parts["w"]
    assert part.values.tolist() == [-50, -49, -48, -47, -46, -45, 46, 47, 48, 49]
    assert part.nbytes == 6 + 10 * 4 + -(-100 // 8)  # a bit of each coordinate is the shorter
    long = sent("topk:0.001", {"w": np.arange(100_000, dtype=np.float32)})
    assert long.nbytes == 6 + 100 * (4 + 4)


def test_pruning_drops_the_smallest():
    message = sent("prune:0.2", {"w": np.float32([3, -1, 2, 5, -4])})
    assert message.dense()["w"].tolist() == [3, 0, 2, 5, -4]


def test_noise_is_relative_to_the_gradient():
    given = {"a": np.full(4000, 3e-3, np.float32), "b": np.full(12000, -1e-3, np.float32)}
    rms = np.sqrt((4000 * 9e-6 + 12000 * 1e-6) / 16000)
    for kind in ("noise", "laplace"):
        dense = sent(f"{kind}:0.5", given).dense()
        error = np.concatenate([dense[name] - given[name] for name in given])
        assert np.std(error) == pytest.approx(0.5 * rms, rel=0.05)


def test_clipping_scales_the_whole_gradient():
    dense = sent("clip:1.0", {"a": np.float32([3]), "b": np.float32([4])}).dense()
    assert dense["a"] == pytest.approx(0.6) and dense["b"] == pytest.approx(0.8)
    assert sent("clip:6", {"a": np.float32([3])}).dense()["a"] == 3


def test_the_gaussian_mechanism_adds_noise_in_multiples_of_the_norm():
    dense = sent("clip:2.0,dp:1.5", {"w": np.zeros(20000, np.float32)}).dense()
    assert np.std(dense["w"]) == pytest.approx(3.0, rel=0.02)
    with pytest.raises(TrainletError, match="does not follow clip"):
        parse_share("noise:1,dp:1.1")


@pytest.mark.parametrize(
    ("multiplier", "sampled", "rounds", "delta", "expected"),
    [(1.1, 1.0, 10, 1e-5, 16.856678), (2.0, 0.1, 100, 1e-5, 2.580571),
     (0.8, 0.01, 1000, 1e-6, 4.293457)],
)  # fmt: skip
def test_epsilon_is_that_of_the_library(multiplier, sampled, rounds, delta, expected):
    pytest.importorskip("dp_accounting", reason="the extra dp is not installed")
    assert epsilon(multiplier, rounds, sampled, delta) == pytest.approx(expected, rel=1e-4)


def test_wrong_numbers_of_an_accountant_are_refused():
    with pytest.raises(TrainletError, match="multiplier=0"):
        epsilon(0, 1)
    with pytest.raises(TrainletError, match="sampled=2"):
        epsilon(1, 1, 2)


def test_signs_carry_the_mean_magnitude():
    assert sent("sign", {"a": np.float32([3, -1])}).dense()["a"].tolist() == [2, -2]


def test_half_precision_saturates():
    assert sent("fp16", {"a": np.float32([1e9])}).dense()["a"] == 65504


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("topk", "topk:NUMBER"),
        ("topk:2", "at most 1"),
        ("noise:-1", "above 0"),
        ("noise:nan", "above 0"),
        ("fp16:3", "unknown step"),
        ("nois:0.1", "did you mean 'noise'"),
        ("", "unknown step"),
        ("none,fp16", "unknown step 'none'"),
    ],
)
def test_a_wrong_share_is_refused(text, part):
    with pytest.raises(TrainletError, match=part):
        parse_share(text)


def test_a_gradient_that_is_not_finite_is_refused():
    with pytest.raises(DataError, match="'a' holds NaN"):
        sent("none", {"a": np.float32([1, np.nan])})


def test_deep_gradient_compression_follows_a_worked_example():
    """momentum 0.5, one of two coordinates a round, by hand: u = 0.5 u + g, v = v + u."""
    memory = ErrorFeedback(momentum=0.5)
    rounds = [[4.0, 1.0], [0.0, 1.0], [1.0, 1.0], [1.0, 1.0]]
    found = [sent("topk:0.5", {"w": np.float32(g)}, memory).dense()["w"].tolist() for g in rounds]
    # 1: u = 4, 1; v = 4, 1         -> sends 4 of the first; u, v = 0 there
    # 2: u = 0, 1.5; v = 0, 2.5     -> sends 2.5 of the second
    # 3: u = 1, 1; v = 1, 1         -> sends the first of two equal ones
    # 4: u = 1, 1.5; v = 1, 2.5
    assert found == [[4, 0], [0, 2.5], [1, 0], [0, 2.5]]
    assert memory.unsent["w"].tolist() == [1, 0] and memory.velocity["w"].tolist() == [1, 0]


def test_nesterov_clipping_and_warm_up_follow_a_worked_example():
    memory = ErrorFeedback(0.5, nesterov=True, clip=10.0, devices=4, warm_up=(1.0,))
    first = sent("topk:0.5", {"w": np.float32([6.0, 8.0])}, memory)  # norm 10, the limit 5
    assert first.dense()["w"].tolist() == [4.5, 6]  # u = 0.5 (0 + g), v = u + g, g = 3, 4
    second = sent("topk:0.5", {"w": np.float32([1.0, 2.0])}, memory)
    assert second.dense()["w"].tolist() == [0, 3] and memory.unsent["w"].tolist() == [1.5, 0]


def test_nothing_is_lost_without_momentum():
    memory, total, arrived = ErrorFeedback(), np.zeros((5, 7)), np.zeros((5, 7))
    for k in range(30):
        given = gradients(k)
        total += given["weight"]
        arrived += sent("topk:0.05", given, memory).dense()["weight"]
    assert np.allclose(arrived + memory.unsent["weight"].reshape(5, 7), total, atol=1e-4)


def test_a_memory_refuses_what_is_not_the_whole_gradient():
    with pytest.raises(DataError, match="put topk before prune"):
        sent("prune:0.5,topk:0.5", memory=ErrorFeedback())


@pytest.mark.parametrize("cut", range(0, 40, 3))
def test_a_damaged_message_is_refused(cut):
    blob = encode(sent("topk:0.2,int8"))
    with pytest.raises(DataError):
        decode(blob[:cut] if cut < len(blob) else blob + b"0", SHAPES)


def test_bytes_of_anybody_are_refused_or_decoded():
    rng = np.random.default_rng(0)
    blob = np.frombuffer(encode(sent("topk:0.2,fp16")), np.uint8)
    for _ in range(300):
        changed = blob.copy()
        changed[rng.integers(len(blob))] = rng.integers(256)
        try:
            message = decode(changed.tobytes(), SHAPES)
        except DataError:
            continue
        assert all(np.isfinite(p.values).all() for p in message.parts.values())
