"""Texts are recovered from the gradients of an embedding, or of the first linear layer."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import trainlet as tl

WORDS, PLACES, WIDTH = 50, 6, 16
TEXT = np.array([[7, 41, 7, 3, 19, 28]])


class Classifier(nn.Module):
    """Vectors of words, with or without places; their mean behind two layers gives the class."""

    def __init__(self, placed: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, WIDTH)
        self.places = nn.Parameter(torch.randn(PLACES, WIDTH) * placed)
        self.first, self.last = nn.Linear(WIDTH, 24), nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(self.embedding(x) + self.places).tanh().mean(1))


def audited(placed: bool, scheme, share: str = "none") -> tl.privacy.Row:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Classifier(placed).eval()
    (row,) = tl.audit(
        model, torch.from_numpy(TEXT), scheme, x=TEXT, y=[2], shares=[share], naive=False
    ).rows  # fmt: skip
    return row


def test_the_span_of_a_linear_layer_gives_every_word_at_its_place():
    row = audited(True, {"first.weight": 1.0, "last.bias": 1.0})
    assert (row.attack, row.mse, row.label_correct) == ("text", 0.0, True)


@pytest.mark.parametrize("scheme", [{"first.weight": 1.0}, {"embedding.weight": 1.0}])
def test_words_without_places_are_a_set(scheme):
    assert audited(False, scheme).mse == 0


def test_rounding_the_gradient_hides_no_row_of_the_embedding():
    assert audited(False, {"embedding.weight": 1.0}, "int8").mse == 0
