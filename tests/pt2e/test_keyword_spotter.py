"""The demo's network loses nothing that matters: accuracy on speakers that it never heard."""

import numpy as np
import pytest
import torch

from trainlet.demo.keyword_spotter import load_pretrained
from trainlet.demo.speech import bundled
from trainlet.frontends.integers import import_converted
from trainlet.frontends.pt2e import convert_module

from .support import lowered, run


@pytest.mark.parametrize("method", ["minmax", "mse"])
def test_accuracy(method):
    model, speech = load_pretrained(), bundled("validation")
    train = bundled("train").features
    rows = np.random.default_rng(0).permutation(len(train))[:256]
    converted = convert_module(model, train[:1], np.split(train[rows], 4), method)
    graph = import_converted(converted.module, {"x": speech.features.shape}, converted.names)
    found = run(lowered(graph), speech.features).argmax(1)
    with torch.no_grad():
        wanted = model(torch.from_numpy(speech.features)).numpy().argmax(1)
    accuracy, reference = ((a == speech.label).mean() for a in (found, wanted))
    assert accuracy > reference - 0.01
    assert (found == wanted).mean() > 0.98
