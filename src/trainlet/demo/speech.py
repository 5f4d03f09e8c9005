"""Keyword clips by many speakers: the bundled synthetic set, or recordings of your own."""

import wave
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainlet.demo.features import COEFFICIENTS, FRAMES, RATE, mfcc, one_second
from trainlet.errors import DataError, TrainletError
from trainlet.ir.files import open_file
from trainlet.ir.npz import read_npz

# The ten commands of Google Speech Commands and the order of MLPerf Tiny.
COMMANDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
WORDS = (*COMMANDS, "silence", "unknown")
SILENCE, UNKNOWN = WORDS.index("silence"), WORDS.index("unknown")
NOBODY = "_noise_"  # the speaker of background noise
ASSET = Path(__file__).parent / "assets" / "speech.npz"
VOICES = ASSET.with_name("voices.npz")
NEW_WORD = "music"
"""Which nobody has said before the demo's speaker teaches it."""
SPLITS = ("train", "validation", "new")

# Whom the demo adapts to (an Italian accent), and how many clips of each word it may learn from.
DEMO_SPEAKER = "it+Mario"
CLIPS_PER_WORD = 3


@dataclass(frozen=True)
class Speech:
    """Clips as features of the front end, what is said in them (an index in WORDS), and by whom."""

    features: np.ndarray  # [n, 1, 49, 10] float32
    label: np.ndarray  # [n] int32
    speaker: np.ndarray  # [n] str
    audio: np.ndarray | None = None  # [n, 16000] int16, where the sound itself is known

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, rows: np.ndarray) -> "Speech":
        """The clips at an index array or where a mask is true."""
        audio = None if self.audio is None else self.audio[rows]
        return Speech(self.features[rows], self.label[rows], self.speaker[rows], audio)

    @property
    def sound(self) -> np.ndarray:
        """The samples; raises DataError where only features are known."""
        if self.audio is None:
            raise DataError("these clips are known as features only; use recordings")
        return self.audio

    @property
    def speakers(self) -> list[str]:
        """Everyone who is heard, by name."""
        return sorted(set(self.speaker.tolist()) - {NOBODY})


def bundled(split: str) -> Speech:
    """The synthetic clips that come with Trainlet: of "train", "validation" or "new" speakers."""
    if split not in SPLITS:
        raise DataError(f"split is {split!r}; allowed: {', '.join(SPLITS)}")
    keys = ("features", "scale", "label", "speaker", "speaker_name", "speaker_split")
    data = read_npz(ASSET, keys)
    rows = data["speaker_split"][data["speaker"]] == split
    features = data["features"][rows].astype(np.float32) * data["scale"]
    names = data["speaker_name"][data["speaker"][rows]]
    return Speech(features[:, None], data["label"][rows].astype(np.int32), names)


def voices() -> tuple[Speech, Speech]:
    """The sound of the demo's speaker, who also says NEW_WORD (its label is len(WORDS)), and clips
    of pretraining speakers that come with the device."""
    keys = ("audio_mulaw", "label", "factory_mulaw", "factory_label")
    data = read_npz(VOICES, keys)
    own, factory = (_linear(data[name]) for name in ("audio_mulaw", "factory_mulaw"))
    speaker = np.full(len(own), DEMO_SPEAKER)
    known = np.full(len(factory), "pretraining")
    return (
        _gather(own, data["label"], speaker),
        _gather(factory, data["factory_label"], known),
    )


def split_new_speaker(
    speech: Speech, speaker: str, per_word: int, seed: int
) -> tuple[Speech, Speech]:
    """A speaker's clips for learning, at random and shuffled, and all the others for the test.

    Each word gives `per_word` clips to learning, but never more than half of its clips.
    """
    if per_word < 1:
        raise DataError(f"per_word is {per_word}; at least one clip of a word is needed to learn")
    if speaker not in speech.speakers:
        raise DataError(f"unknown speaker {speaker!r}; known: {', '.join(speech.speakers)}")
    rng = np.random.default_rng(seed)
    learn = []
    for label in range(len(WORDS)):
        rows = np.flatnonzero((speech.speaker == speaker) & (speech.label == label))
        learn.append(rng.permutation(rows)[: min(per_word, len(rows) // 2)])
    chosen = rng.permutation(np.concatenate(learn))
    if not chosen.size:
        raise DataError(f"speaker {speaker!r} has no word with two clips; the lesson needs one")
    own = np.flatnonzero(speech.speaker == speaker)
    return speech[chosen], speech[np.setdiff1d(own, chosen)]


def from_folder(path: str | Path) -> Speech:
    """WAV files laid out as Google Speech Commands: `word/speaker_nohash_take.wav`.

    A word that is no command counts as unknown. A file in `_background_noise_` may be of any
    length and becomes a silence clip for each of its seconds.
    """
    path = Path(path)
    if not path.is_dir():
        raise DataError(f"{path}: is not a folder; allowed: one with word/speaker_nohash_take.wav")
    clips = [clip for file in sorted(path.glob("*/*.wav")) for clip in _clips(file)]
    if not clips:
        raise DataError(f"{path}: contains no clips; expected: word/speaker_nohash_take.wav")
    return _gather(*zip(*clips, strict=True))


def from_npz(path: str | Path) -> Speech:
    """Mu-law clips in one file: audio_mulaw [n, samples] uint8, label12, speaker, sample_rate.

    Labels follow the order of WORDS, which is that of MLPerf Tiny.
    """
    path = Path(path)
    data = read_npz(path, ("audio_mulaw", "label12", "speaker", "sample_rate"))
    audio, label, speaker = data["audio_mulaw"], data["label12"], data["speaker"]
    if audio.dtype != np.uint8 or audio.ndim != 2 or not audio.size:
        raise DataError(
            f"{path}: audio_mulaw is {audio.dtype} {audio.shape}; non-empty uint8 "
            "[clips, samples] is allowed"
        )
    _require_rate(path, data["sample_rate"].tolist())
    if label.shape != (len(audio),) or speaker.shape != (len(audio),):
        raise DataError(
            f"{path}: label12 {label.shape} and speaker {speaker.shape} do not fit "
            f"{len(audio)} clips; each needs one entry a clip"
        )
    if label.dtype.kind not in "iu" or not np.isin(label, range(len(WORDS))).all():
        raise DataError(f"{path}: label12 holds values other than 0..{len(WORDS) - 1}")
    if speaker.dtype.kind != "U":
        raise DataError(f"{path}: speaker is {speaker.dtype}; allowed: names as strings")
    return _gather(_linear(audio), label, speaker)


def _linear(packed: np.ndarray) -> np.ndarray:
    """Mu-law bytes -> samples in -1..1."""
    loud = packed.astype(np.float32) / 127.5 - 1.0
    return np.sign(loud) * np.expm1(np.abs(loud) * np.log(256.0)) / 255.0


def _gather(audio: Iterable[np.ndarray], label: Iterable[int], speaker: Iterable[str]) -> Speech:
    """Recordings -> Speech."""
    clips = np.stack([one_second(clip) for clip in audio])
    features = np.stack([mfcc(clip) for clip in clips]).reshape(-1, 1, FRAMES, COEFFICIENTS)
    samples = np.rint(np.clip(clips, -1, 1) * 32767).astype(np.int16)
    return Speech(features, np.array(label, np.int32), np.array(speaker), samples)


def _clips(file: Path) -> Iterator[tuple[np.ndarray, int, str]]:
    """(samples, label, speaker) of each clip of a WAV file."""
    audio = _wav(file)
    word = file.parent.name
    if word == "_background_noise_":
        for start in range(0, max(len(audio) - RATE, 0) + 1, RATE):
            yield audio[start : start + RATE], SILENCE, NOBODY
        return
    speaker, mark, _ = file.stem.partition("_nohash_")
    if not mark or not speaker:
        raise DataError(f"{file}: the name contains no speaker; allowed: speaker_nohash_take.wav")
    yield audio, WORDS.index(word) if word in COMMANDS else UNKNOWN, speaker


def _wav(file: Path) -> np.ndarray:
    """Samples in -1..1 of a 16-bit mono WAV file at 16 kHz."""
    try:
        with open_file(file) as opened, wave.open(opened) as sound:
            form = sound.getparams()
            data = sound.readframes(form.nframes)
    except TrainletError:
        raise
    except Exception as error:  # hostile bytes make the reader raise nearly anything
        raise DataError(f"{file}: is not a readable WAV file ({error or 'too short'})") from None
    if (form.nchannels, form.sampwidth) != (1, 2):
        raise DataError(
            f"{file}: has {form.nchannels} channels of {8 * form.sampwidth} bits; "
            f"allowed: one channel of 16 bits"
        )
    _require_rate(file, form.framerate)
    if not form.nframes or len(data) != 2 * form.nframes:
        raise DataError(
            f"{file}: holds {len(data) // 2} of {form.nframes} samples; it is empty or cut short"
        )
    return np.frombuffer(data, "<i2").astype(np.float32) / 32768.0


def _require_rate(file: Path, rate: object) -> None:
    if rate != RATE:
        raise DataError(f"{file}: is sampled at {rate} Hz; allowed: {RATE} Hz; resample it first")
