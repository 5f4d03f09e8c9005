"""Meta-training of a small network on classes of drawn patterns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cosine_similarity

import trainlet as tl
from trainlet.fewshot import CosineHead, Episodes, meta_train, pretrain, prototypes
from trainlet.fewshot.augment import augment
from trainlet.progress import listening


def patterns(classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Twelve copies of a random pattern of each class, under a disturbance of five dimensions."""
    rng = np.random.default_rng(seed)
    disturbance = 2 * np.random.default_rng(9).normal(size=(5, 36))
    x = rng.normal(size=(classes, 1, 36)) + rng.normal(size=(classes, 12, 5)) @ disturbance
    return x.reshape(-1, 1, 6, 6).astype(np.float32), np.repeat(np.arange(classes), 12)


def moved(classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Twelve copies of a random pattern of each class, moved by a pixel and of another contrast."""
    rng = np.random.default_rng(seed)
    plain = np.pad(rng.normal(size=(classes, 4, 4)), ((0, 0), (1, 1), (1, 1)))
    copies = [
        rng.uniform(0.5, 1.5) * np.roll(one, rng.integers(-1, 2, 2), (0, 1))
        for one in plain
        for _ in range(12)
    ]
    return np.array(copies, np.float32)[:, None], np.repeat(np.arange(classes), 12)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(36, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16)
    )


def accuracy(backbone: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
    """Of prototypes alone, over 20 episodes of 5 ways and 2 shots."""
    right = []
    for seed in range(20):
        e = Episodes((5, 5), shots=2).draw(y, np.random.default_rng(seed))
        with torch.no_grad():
            features = backbone(torch.from_numpy(x))
        head = CosineHead(16, 5)
        head.teach(features[e.support], torch.from_numpy(e.support_labels))
        right.append((head(features[e.query]).argmax(1).numpy() == e.query_labels).mean())
    return float(np.mean(right))


@pytest.mark.parametrize(("data", "pseudo_queries"), [(patterns, False), (moved, True)])
def test_meta_training_helps_with_classes_that_it_has_not_seen(data, pseudo_queries: bool) -> None:
    unseen = data(20, 2)
    backbone = network().eval()
    before = accuracy(backbone, *unseen)
    rule = Episodes((5, 10), shots=3)
    meta_train(
        backbone, *data(40, 1), episodes=rule, steps=150, rate=1e-2, pseudo_queries=pseudo_queries
    )
    assert not backbone.training
    assert accuracy(backbone, *unseen) > before + 0.15


def test_an_interrupted_run_ends_with_the_same_weights(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("trainlet.fewshot.meta_training.SAVED_EVERY", 5)
    x, y = patterns(12, 1)
    options = {"episodes": Episodes((5, 8), shots=2), "steps": 20}
    straight = network()
    scale = meta_train(straight, x, y, **options)

    def stop(name: str, done: int, total: int) -> None:
        if done == 13:
            raise KeyboardInterrupt

    file = tmp_path / "run.ckpt"
    with pytest.raises(KeyboardInterrupt), listening(stop):
        meta_train(network(), x, y, checkpoint=file, **options)
    resumed = network()
    assert meta_train(resumed, x, y, checkpoint=file, **options) == scale
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    with pytest.raises(tl.errors.FileError, match="of another network, data or setting"):
        meta_train(network(), x, y, checkpoint=file, **{**options, "steps": 21})
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(tl.errors.FileError, match="no whole checkpoint"):
        meta_train(network(), x, y, checkpoint=file, **options)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    file = tmp_path / "run.ckpt"
    torch.save({"version": 1, "parts": Hostile()}, file)
    x, y = patterns(6, 1)
    with pytest.raises(tl.errors.FileError, match="no whole checkpoint"):
        meta_train(network(), x, y, steps=1, checkpoint=file)
    assert not (tmp_path / "ran").exists()


def test_supervised_training_separates_its_classes() -> None:
    x, y = moved(12, 1)
    backbone = network().eval()
    before = accuracy(backbone, x, y)
    pretrain(backbone, x, y, epochs=20, batch=16, rate=1e-2)
    assert accuracy(backbone, x, y) > before + 0.15


def test_the_head_is_cosine_similarity_and_compiles() -> None:
    torch.manual_seed(0)
    head = CosineHead(16, 4)
    features, labels = torch.randn(12, 16), torch.arange(12) % 4
    head.teach(features, labels)
    means = torch.stack([features[labels == k].mean(0) for k in range(4)])
    torch.testing.assert_close(prototypes(features, labels, 4), means)
    torch.testing.assert_close(
        head(features), 10 * cosine_similarity(features[:, None], means[None], dim=2)
    )
    model = nn.Sequential(network(), head).eval()
    program = tl.compile(model, torch.randn(1, 1, 6, 6), {"1.prototypes": 1.0, "1.scale": 1.0})
    loss, _, state = tl.evaluate(program, torch.randn(1, 1, 6, 6), 2)
    assert loss > 0 and np.any(state["1.prototypes"] != head.prototypes.detach().numpy())


def test_augmentation_leaves_the_shape_and_changes_each_example_its_own_way() -> None:
    x = torch.randn(4, 3, 8, 9)
    x[1:] = x[:1]
    changed = augment(x, torch.Generator().manual_seed(1))
    assert changed.shape == x.shape and not torch.equal(changed[0], changed[1])
    assert torch.equal(changed, augment(x, torch.Generator().manual_seed(1)))
    assert augment(torch.randn(4, 12), torch.Generator().manual_seed(1)).shape == (4, 12)


def test_a_classifier_and_strange_data_are_refused() -> None:
    x, y = patterns(6, 1)
    with pytest.raises(tl.errors.ShapeError, match="leave out the classifier"):
        meta_train(nn.Conv2d(1, 2, 3), x, y, steps=1)
    x[3, 0, 0, 0] = np.nan
    with pytest.raises(tl.errors.DataError, match="not finite"):
        meta_train(network(), x, y, steps=1)
    with pytest.raises(tl.errors.DivergedError, match="smaller rate"):
        meta_train(network(), patterns(6, 1)[0], y, steps=5, rate=1e30)
