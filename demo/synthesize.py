"""Make the bundled keyword clips with espeak-ng: python demo/synthesize.py [OUTPUT.npz]

A speaker is one espeak voice (an accent), one variant (a timbre), a base pitch and speed, a
microphone and a room. A voice of another language reads the English words by its own rules, which
gives a strong accent. Each clip of a speaker differs in speed, pitch, timing, level and noise.
The same espeak-ng version and the same seed give the same file, bit for bit.
"""

import io
import subprocess
import sys
import wave
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track
from scipy.signal import fftconvolve, lfilter, resample_poly

from trainlet.demo.features import RATE, mfcc
from trainlet.demo.speech import ASSET, DEMO_SPEAKER, NEW_WORD, VOICES, WORDS

SEED = 2024
QUANTUM = 1 / 8  # step of the standardised features in int8: an error of 0.04 deviations
UNKNOWN = (
    "backward bed bird cat dog eight five follow forward four happy house learn nine one seven "
    "six three two visual zero"
)

ACCENTS = "en-gb en-us en-gb-x-rp en-gb-x-gbclan en-gb-x-gbcwmd en-us-nyc en-029 de fr-fr pt-br cs"
TIMBRES = (
    "m1 m2 m3 m4 m5 m6 m7 m8 f1 f2 f3 f4 f5 croak klatt klatt2 klatt3 klatt4 klatt5 klatt6 "
    "Alex Andy Annie adam anika aunty belinda benjamin boris caleb david ed edward grandma grandpa "
    "john max paul quincy rob robert steph travis"
)
# Pretraining hears each timbre with four accents. The others have accents that it never hears;
# the "new" speakers have timbres that it never hears, too.
SPEAKERS = {
    "train": [
        f"{ACCENTS.split()[(3 * i + k) % 11]}+{timbre}"
        for i, timbre in enumerate(TIMBRES.split())
        for k in (0, 2, 5, 8)
    ],
    "validation": ["hu+m6", "id+steph", "nl+belinda", "ro+f3", "ro+m2", "sk+Andy"],
    "new": ["cy+michel", "da+Marco", "es+Alicia", "it+Mario", "sv+Lee", "tr+linda"],
}
FACTORY_SPEAKERS = 24
CLIPS = {"train": 2, "validation": 12, "new": 14}  # of each word, for each speaker


@dataclass(frozen=True)
class Speaker:
    """What stays the same in all the clips of one speaker."""

    name: str  # voice+variant, as espeak-ng takes it
    pitch: float  # 0..99
    speed: float  # words a minute
    size: float  # of the vocal tract: what the voice's frequencies are divided by
    tilt: float  # of the microphone's spectrum: -1 dark .. 1 bright
    echo: float  # seconds in which the room's echo decays to 1/e
    wet: float  # level of the echo, against the direct sound
    hiss: float  # of the room's noise: 0 white .. 0.98 deep brown
    noise: float  # level of the room's noise, against speech of unit variance

    @staticmethod
    def draw(name: str, rng: np.random.Generator) -> "Speaker":
        """A speaker with the properties that the voice leaves open, at random."""
        return Speaker(
            name,
            pitch=rng.uniform(25, 75),
            speed=rng.uniform(130, 220),
            size=rng.uniform(0.85, 1.15),
            tilt=rng.uniform(-0.6, 0.6),
            echo=rng.uniform(0.01, 0.12),
            wet=rng.uniform(0.0, 0.8),
            hiss=rng.uniform(0.0, 0.98),
            noise=10 ** rng.uniform(-3.3, -0.9),
        )


def sounds(name: str, words: Sequence[str], per_word: int) -> list[np.ndarray]:
    """All the clips of one speaker, word by word."""
    rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])
    speaker = Speaker.draw(name, rng)
    return [clip(word, speaker, rng) for word in words for _ in range(per_word)]


def features(name: str, per_word: int) -> np.ndarray:
    """Quantised features [12 x per_word, 49, 10] of all the clips of one speaker, word by word."""
    clips = sounds(name, WORDS, per_word)
    steps = np.rint(np.stack([mfcc(sound) for sound in clips]) / QUANTUM)
    return np.clip(steps, -128, 127).astype(np.int8)


def clip(word: str, speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    """One second in the speaker's room: noise, and the word somewhere near the middle."""
    brown = [1.0, -speaker.hiss * rng.uniform(0.9, 1.0)]
    audio = np.asarray(lfilter([1.0], brown, rng.normal(size=RATE)))
    audio *= speaker.noise * 10 ** rng.uniform(-0.5, 0.3) / audio.std()
    if word != "silence":
        text = str(rng.choice(UNKNOWN.split())) if word == "unknown" else word
        speech = in_room(spoken(text, speaker, rng), speaker, rng)[:RATE]
        room = RATE - speech.size
        start = int(np.clip(room / 2 + rng.uniform(-0.12, 0.2) * RATE, 0, room))
        audio[start : start + speech.size] += speech / speech.std()
    return audio


def spoken(text: str, speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    """A word at 16 kHz, without the silence around it."""
    pitch = int(np.clip(speaker.pitch + rng.normal(0, 6), 0, 99))
    speed = int(np.clip(speaker.speed * rng.uniform(0.85, 1.15), 80, 260))
    command = ["espeak-ng", "-v", speaker.name, "-p", str(pitch), "-s", str(speed), "--stdout"]
    sound = subprocess.run([*command, text], check=True, capture_output=True).stdout
    with wave.open(io.BytesIO(sound)) as file:  # written to a pipe, its header claims 2 GB
        rate, samples = file.getframerate(), np.frombuffer(file.readframes(1 << 24), "<i2")
    audio = resample_poly(samples.astype(np.float64), RATE, rate)
    audio = resample_poly(audio, round(100 * speaker.size), 100)
    loud = np.flatnonzero(np.abs(audio) > 0.01 * np.abs(audio).max())
    if loud.size < RATE // 20:
        raise RuntimeError(f"espeak-ng's {speaker.name} does not speak {text!r} audibly")
    return audio[loud[0] : loud[-1] + 1]


def in_room(speech: np.ndarray, speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    """The sound, its echo (a decaying tail of noise, of energy `wet`^2), and the microphone."""
    decay = np.exp(-np.arange(int(3 * speaker.echo * RATE)) / (speaker.echo * RATE))
    tail = decay * rng.normal(size=decay.size)
    tail *= speaker.wet / np.linalg.norm(tail)
    heard = fftconvolve(speech, np.concatenate([[1.0], tail]))
    return np.asarray(lfilter([1.0, -speaker.tilt], [1.0], heard))


def voices(output: Path = VOICES) -> None:
    """Store the sound of what the demo's device hears: its speaker's clips, with a word that no one
    has said before, and clips of the pretraining's speakers that come with the device."""
    own = sounds(DEMO_SPEAKER, (*WORDS, NEW_WORD), CLIPS["new"])
    factory = []
    for k, name in enumerate(SPEAKERS["train"][:: len(SPEAKERS["train"]) // FACTORY_SPEAKERS]):
        said = sounds(name, WORDS, 1)
        factory += [(said[word % 12], word % 12) for word in range(3 * k, 3 * k + 3)]
    labels = np.repeat(np.arange(len(WORDS) + 1, dtype=np.uint8), CLIPS["new"])
    heard, known = zip(*factory, strict=True)
    np.savez_compressed(
        output,
        audio_mulaw=np.stack([mu_law(sound) for sound in own]),
        label=labels,
        factory_mulaw=np.stack([mu_law(sound) for sound in heard]),
        factory_label=np.array(known, np.uint8),
    )
    print(f"{output}: {len(own)} + {len(factory)} clips, {output.stat().st_size / 1e6:.2f} MB")


def mu_law(sound: np.ndarray) -> np.ndarray:
    """Samples at 0.9 of full scale in 8 bits."""
    loud = 0.9 * sound / np.abs(sound).max()
    packed = np.sign(loud) * np.log1p(255 * np.abs(loud)) / np.log(256)
    return np.rint((packed + 1) * 127.5).astype(np.uint8)


def main(output: Path = ASSET) -> None:
    """Speak, hear and store everything."""
    voices()
    names = [name for split in SPEAKERS for name in SPEAKERS[split]]
    splits = [split for split in SPEAKERS for _ in SPEAKERS[split]]
    per_word = [CLIPS[split] for split in splits]
    with ThreadPoolExecutor() as pool:
        made = list(track(pool.map(features, names, per_word), "synthesizing", len(names)))
    words = np.arange(len(WORDS), dtype=np.uint8)
    np.savez_compressed(
        output,
        features=np.concatenate(made),
        scale=np.float32(QUANTUM),
        label=np.concatenate([np.repeat(words, count) for count in per_word]),
        speaker=np.repeat(np.arange(len(names), dtype=np.uint8), [len(part) for part in made]),
        speaker_name=np.array(names),
        speaker_split=np.array(splits),
    )
    print(f"{output}: {sum(map(len, made))} clips, {output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
