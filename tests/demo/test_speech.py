"""The demo's speech: the bundled clips, folders of WAV files, mu-law archives and bad inputs."""

import wave
from pathlib import Path

import numpy as np
import pytest

from trainlet.demo.features import RATE, mfcc
from trainlet.demo.speech import (
    DEMO_SPEAKER,
    WORDS,
    Speech,
    bundled,
    from_folder,
    from_npz,
    split_new_speaker,
)
from trainlet.errors import DataError, FileError

RECORDED = Path(__file__).parents[3] / "shared/data/speech_commands_personal_16k.npz"


def write_wav(path: Path, samples=None, rate=RATE, channels=1, width=2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if samples is None:
        samples = np.random.default_rng(0).integers(-9000, 9000, RATE)
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(np.asarray(samples).astype(f"<i{width}").tobytes())
    return path


def archive(path: Path, **changes) -> Path:
    """A valid mu-law file of two clips, but for the changes; None leaves an array out."""
    arrays = {
        "audio_mulaw": np.random.default_rng(0).integers(0, 256, (2, RATE), np.uint8),
        "label12": np.array([3, 11], np.uint8),
        "speaker": np.array(["ann", "bob"]),
        "sample_rate": np.int32(RATE),
    }
    arrays = {key: value for key, value in (arrays | changes).items() if value is not None}
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("split", ["train", "validation", "new"])
def test_bundled_splits_hold_all_words_of_every_speaker(split):
    speech = bundled(split)
    assert speech.features.shape == (len(speech), 1, 49, 10)
    assert (speech.features.dtype, speech.label.dtype) == (np.float32, np.int32)
    for speaker in speech.speakers:
        assert set(speech.label[speech.speaker == speaker]) == set(range(len(WORDS)))


def test_bundled_splits_share_no_speaker_and_their_features_have_unit_variance():
    names = [bundled(split).speakers for split in ("train", "validation", "new")]
    assert len(set().union(*names)) == sum(map(len, names))
    assert DEMO_SPEAKER in names[2]
    spread = bundled("train").features.std((0, 1, 2))
    assert (spread > 0.8).all() and (spread < 1.25).all()


def test_unknown_split():
    with pytest.raises(DataError, match="'test'; allowed: train, validation, new"):
        bundled("test")


def test_a_new_speaker_is_split_by_word():
    speech = bundled("new")
    learn, test = split_new_speaker(speech, DEMO_SPEAKER, per_word=3, seed=0)
    assert np.bincount(learn.label).tolist() == [3] * 12
    assert len(learn) + len(test) == np.count_nonzero(speech.speaker == DEMO_SPEAKER)
    assert len(test) >= 100
    again, _ = split_new_speaker(speech, DEMO_SPEAKER, per_word=3, seed=0)
    other, _ = split_new_speaker(speech, DEMO_SPEAKER, per_word=3, seed=1)
    np.testing.assert_array_equal(learn.features, again.features)
    assert not np.array_equal(learn.features, other.features)


def test_no_clip_is_in_both_halves_and_a_rare_word_keeps_half_for_the_test():
    marked = np.arange(6, dtype=np.float32)[:, None, None, None] * np.ones((1, 1, 49, 10))
    speech = Speech(marked, np.array([0, 0, 0, 1, 1, 2], np.int32), np.array(["ann"] * 6))
    learn, test = split_new_speaker(speech, "ann", per_word=3, seed=0)
    assert sorted(learn.label) == [0, 1] and sorted(test.label) == [0, 0, 1, 2]
    seen = np.concatenate([learn.features, test.features])[:, 0, 0, 0]
    assert sorted(seen) == list(range(6))


def test_a_new_speaker_must_exist_and_speak():
    speech = Speech(np.zeros((1, 1, 49, 10), np.float32), np.array([0]), np.array(["ann"]))
    with pytest.raises(DataError, match="unknown speaker 'eve'; known: ann"):
        split_new_speaker(speech, "eve", per_word=3, seed=0)
    with pytest.raises(DataError, match="per_word is 0"):
        split_new_speaker(speech, "ann", per_word=0, seed=0)
    with pytest.raises(DataError, match="has no word with two clips"):
        split_new_speaker(speech, "ann", per_word=3, seed=0)


def test_a_folder_of_wav_files(tmp_path):
    samples = np.random.default_rng(1).integers(-9000, 9000, RATE)
    write_wav(tmp_path / "yes" / "ann_nohash_0.wav", samples)
    write_wav(tmp_path / "tree" / "bob_nohash_1.wav")
    write_wav(tmp_path / "silence" / "bob_nohash_0.wav")  # somebody says "silence"
    write_wav(tmp_path / "_background_noise_" / "tap.wav", np.arange(5 * RATE // 2))
    speech = from_folder(tmp_path)
    said = [(WORDS[label], who) for label, who in zip(speech.label, speech.speaker, strict=True)]
    assert sorted(said) == [
        ("silence", "_noise_"),
        ("silence", "_noise_"),
        ("unknown", "bob"),
        ("unknown", "bob"),
        ("yes", "ann"),
    ]
    assert speech.speakers == ["ann", "bob"]
    heard = speech.features[speech.speaker == "ann"]
    np.testing.assert_array_equal(heard, mfcc((samples / 32768).astype(np.float32))[None, None])


@pytest.mark.parametrize(
    "wrong, why",
    [
        ({"rate": 44100}, "44100 Hz; allowed: 16000 Hz"),
        ({"channels": 2}, "2 channels of 16 bits"),
        ({"width": 1}, "1 channels of 8 bits"),
        ({"samples": []}, "0 of 0 samples"),
    ],
)
def test_a_wav_of_the_wrong_kind_names_the_file(tmp_path, wrong, why):
    write_wav(tmp_path / "yes" / "ann_nohash_0.wav", **wrong)
    with pytest.raises(DataError, match=rf"ann_nohash_0\.wav: .*{why}"):
        from_folder(tmp_path)


def test_damaged_files_and_names(tmp_path):
    path = write_wav(tmp_path / "yes" / "ann_nohash_0.wav")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])
    with pytest.raises(DataError, match="15500 of 16000 samples"):
        from_folder(tmp_path)
    for junk in (b"", b"RIFF", b"not a sound at all, but long enough to be read as one"):
        path.write_bytes(junk)
        with pytest.raises(DataError, match=r"ann_nohash_0\.wav: is not a readable WAV"):
            from_folder(tmp_path)
    path.write_bytes(whole)
    path.rename(path.with_name("ann.wav"))
    with pytest.raises(DataError, match="contains no speaker"):
        from_folder(tmp_path)


def test_folders_without_clips(tmp_path):
    with pytest.raises(DataError, match="contains no clips"):
        from_folder(tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        from_folder(tmp_path / "absent")


def test_a_mu_law_archive_round_trips(tmp_path):
    sound = 0.3 * np.random.default_rng(0).normal(size=(2, RATE)).clip(-3, 3)
    code = np.sign(sound) * np.log1p(255 * np.abs(sound)) / np.log(256)
    mulaw = np.rint((code + 1) * 127.5).astype(np.uint8)
    speech = from_npz(archive(tmp_path / "clips.npz", audio_mulaw=mulaw))
    assert speech.label.tolist() == [3, 11] and speech.speaker.tolist() == ["ann", "bob"]
    np.testing.assert_allclose(speech.features[0, 0], mfcc(sound[0]), atol=0.1)


@pytest.mark.parametrize(
    "changes, why",
    [
        ({"label12": None}, "label12"),
        ({"label12": np.array([3, 12])}, "other than 0..11"),
        ({"label12": np.array([0.0, 1.0])}, "other than 0..11"),
        ({"label12": np.array([3])}, "do not fit 2 clips"),
        ({"speaker": np.array([["ann", "bob"]])}, "do not fit 2 clips"),
        ({"audio_mulaw": np.zeros((2, RATE))}, "float64"),
        ({"audio_mulaw": np.zeros((0, RATE), np.uint8)}, r"\(0, 16000\)"),
        ({"audio_mulaw": np.zeros((2, 0), np.uint8)}, "non-empty"),
        ({"sample_rate": np.int32(8000)}, "8000 Hz"),
        ({"sample_rate": np.zeros(0, np.int32)}, r"sampled at \[\] Hz"),
        ({"speaker": np.array([1, 2])}, "speaker is int64"),
        ({"speaker": np.array([{}, {}])}, "not a readable .npz"),
    ],
)
def test_a_wrong_archive_names_the_file(tmp_path, changes, why):
    with pytest.raises(DataError, match=rf"clips\.npz: .*{why}"):
        from_npz(archive(tmp_path / "clips.npz", **changes))


def test_a_damaged_archive_names_the_file(tmp_path):
    path = archive(tmp_path / "clips.npz")
    whole = path.read_bytes()
    for damaged in (b"", b"junk", whole[: len(whole) // 2], whole.replace(b"NUMPY", b"NUMPX")):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"clips\.npz: is not a readable \.npz"):
            from_npz(path)
    with pytest.raises(FileError, match=r"absent\.npz: cannot be read"):
        from_npz(tmp_path / "absent.npz")


@pytest.mark.skipif(not RECORDED.exists(), reason=f"real recordings are not at {RECORDED}")
def test_real_recordings():
    speech = from_npz(RECORDED)
    assert len(speech.speakers) == 26 and len(speech) == 1389
    learn, test = split_new_speaker(speech, speech.speakers[0], per_word=2, seed=0)
    assert len(learn) >= 20 and len(test) >= 15
