"""Pretrain the demo's keyword spotter on the bundled speakers: python demo/pretrain.py"""

import numpy as np
import torch
from rich.progress import track
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy

from trainlet.demo.keyword_spotter import WEIGHTS, KeywordSpotter
from trainlet.demo.speech import Speech, bundled

EPOCHS, BATCH, PEAK_RATE = 25, 64, 4e-3
SHIFT, NOISE, COLOUR = 5, 0.15, 0.3  # augmentation: frames of 20 ms, and in features' deviations


def augment(features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A batch with each clip moved in time, slightly noisy, and through another microphone."""
    frames = features.shape[2]
    moved = np.arange(frames) + rng.integers(-SHIFT, SHIFT + 1, (len(features), 1))
    moved = np.clip(moved, 0, frames - 1)[:, None, :, None]
    noise = rng.normal(0, NOISE, features.shape)
    colour = rng.normal(0, COLOUR, (len(features), 1, 1, features.shape[3]))  # a linear filter
    return (np.take_along_axis(features, moved, 2) + noise + colour).astype(np.float32)


def train(speech: Speech) -> KeywordSpotter:
    """A network trained from scratch with AdamW and a one-cycle learning rate."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    model = KeywordSpotter()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=1e-2)
    steps = EPOCHS * (len(speech) // BATCH)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=steps)
    for _ in track(range(EPOCHS), "pretraining"):
        order = rng.permutation(len(speech))
        for rows in order[: len(order) // BATCH * BATCH].reshape(-1, BATCH):
            logits = model(torch.from_numpy(augment(speech.features[rows], rng)))
            loss = cross_entropy(logits, torch.from_numpy(speech.label[rows]).long())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            cycle.step()
    return model.eval()


def accuracy(model: KeywordSpotter, speech: Speech) -> float:
    """The share of clips whose largest logit is the right word."""
    with torch.inference_mode():
        heard = model(torch.from_numpy(speech.features)).argmax(1).numpy()
    return float((heard == speech.label).mean())


def main() -> None:
    """Train, store the weights, and tell how well strangers are understood."""
    torch.set_num_threads(2)
    model = train(bundled("train"))
    save_file(model.state_dict(), WEIGHTS)
    for split in ("train", "validation", "new"):
        speech = bundled(split)
        print(f"{split}: {accuracy(model, speech):.1%} of {len(speech)} clips")
        if split == "train":
            continue
        for name in speech.speakers:
            own = speech[speech.speaker == name]
            print(f"    {name:24} {accuracy(model, own):.1%} of {len(own)}")


if __name__ == "__main__":
    main()
