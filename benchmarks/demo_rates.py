"""The demo's lesson with other speakers at several rates, in float32 and in int8.

    python benchmarks/demo_rates.py

The speakers are the six that come with Trainlet for validation, with three choices of their clips
each.  The lesson has the demo's passes, falling rates and old examples, without a judge.
"""

import numpy as np

import trainlet as tl
from trainlet.demo.days import OLD, PASSES
from trainlet.demo.personalise import PRECISIONS, compile_spotter, exported_spotter
from trainlet.demo.speech import CLIPS_PER_WORD, Speech, bundled, split_new_speaker

RATES, ORDERS = (0.005, 0.01, 0.02), 3


def learnt(trainer: tl.Trainer, speech: Speech, old: Speech, speaker: str, order: int,
           rate: float) -> float:  # fmt: skip
    """The share of the speaker's other clips that are right after a lesson."""
    learn, test = split_new_speaker(speech, speaker, CLIPS_PER_WORD, order)
    rng = np.random.default_rng(order)
    some = old[rng.permutation(len(old))[:OLD]]
    x = np.concatenate([learn.features, some.features])
    y = np.concatenate([learn.label, some.label])
    trainer.reset()
    places = np.concatenate([rng.permutation(len(x)) for _ in range(PASSES)])
    for done, k in enumerate(places):
        trainer.step(x[k : k + 1], y[k : k + 1], lr=rate * (1 - done / len(places)))
    answers = [trainer.predict(test.features[k : k + 1]).argmax() for k in range(len(test))]
    return float(np.mean(answers == test.label))


def main() -> None:
    network, speech, old = exported_spotter(), bundled("validation"), bundled("train")
    cases = [(speaker, order) for speaker in speech.speakers for order in range(ORDERS)]
    found: dict[tuple[str, float], np.ndarray] = {}
    for precision in PRECISIONS:
        with compile_spotter(network, precision).build("host") as trainer:
            for rate in RATES:
                shares = np.array([learnt(trainer, speech, old, *case, rate) for case in cases])
                found[precision, rate] = shares
                print(f"{precision} at {rate}: {shares.mean():.1%} right, worst {shares.min():.1%}",
                      flush=True)  # fmt: skip
    for rate in RATES:
        apart = 100 * (found["int8", rate] - found["float32", rate])
        near = f"at least -1 in {(apart >= -1).sum()} of {len(apart)} lessons"
        print(f"int8 less float32 at {rate}: {apart.mean():.1f} points, {apart.min():.1f} to "
              f"{apart.max():.1f}; {near}")  # fmt: skip


if __name__ == "__main__":
    main()
