"""The pretrained network: it understands speakers that it has never heard."""

import torch

from trainlet.demo.keyword_spotter import SCHEME, load_pretrained
from trainlet.demo.speech import bundled


def test_the_scheme_names_parameters():
    assert set(SCHEME) <= {name for name, _ in load_pretrained().named_parameters()}


def test_strangers_are_understood():
    speech = bundled("validation")
    with torch.inference_mode():
        heard = load_pretrained()(torch.from_numpy(speech.features)).argmax(1).numpy()
    assert (heard == speech.label).mean() > 0.8
