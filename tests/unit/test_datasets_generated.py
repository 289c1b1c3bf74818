"""Generated tasks and the Braille recordings: contents, splits, repetition by seed, refused options and files."""

from __future__ import annotations

import hashlib
import re
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypr_neuro.data import LOADERS, load_data
from hypr_neuro.data.phonemes import PHONEMES, WORDS
from hypr_neuro.errors import FileFormatError, InputError

ROOT = Path(__file__).resolve().parents[2]


def counts(split: np.ndarray) -> list[int]:
    return [int((split == part).sum()) for part in ("train", "validation", "test")]


@pytest.mark.parametrize("delay", [0, 50, 16_000])
def test_cue_is_shown_and_asked_for_after_the_delay(delay: int) -> None:
    data = load_data("cue", delay=delay)
    assert (data.x.shape, data.x.dtype, data.classes) == ((256, 40 + delay, 15), np.int8, 2)
    assert counts(data.split) == [185, 20, 51]
    assert np.array_equal(data.split == "test", np.arange(256) >= 205)
    assert np.bincount(data.y).tolist() == [128, 128]
    assert not data.x[:, 20 : 20 + delay].any()
    assert not data.x[:, :20, 10:].any()
    assert not data.x[:, -20:, :10].any()
    cue = np.stack([data.x[:, :20, :5], data.x[:, :20, 5:10]])
    assert not cue[1 - data.y, np.arange(256)].any()
    # 25,600 draws each: 5 standard deviations are 0.015
    assert cue[data.y, np.arange(256)].mean() == pytest.approx(0.6, abs=0.015)
    assert data.x[:, -20:, 10:].mean() == pytest.approx(0.6, abs=0.015)
    assert np.array_equal(data.mask, np.broadcast_to(np.arange(40 + delay) >= 20 + delay, data.x.shape[:2]))


def test_adding_asks_for_the_sum_of_the_marked_values() -> None:
    data = load_data("adding", steps=31)
    assert (data.x.shape, data.y.shape, data.x.dtype, data.y.dtype) == ((2000, 31, 2), (2000, 1), *[np.float32] * 2)
    assert (data.regression, data.per_step, data.classes) == (True, False, 1)
    assert counts(data.split) == [1440, 160, 400]
    value, marker = data.x[..., 0], data.x[..., 1]
    assert value.min() >= 0
    assert value.max() < 1
    assert value.mean() == pytest.approx(0.5, abs=0.01)
    assert np.array_equal(data.y[:, 0], (value * marker).sum(axis=1))
    assert (marker[:, :15].sum(axis=1) == 1).all()
    assert (marker[:, 15:].sum(axis=1) == 1).all()
    assert (marker.sum(axis=0) > 0).all()
    assert np.mean((data.y - 1) ** 2) == pytest.approx(1 / 6, abs=0.02)
    assert np.array_equal(data.mask, np.broadcast_to(np.arange(31) == 30, (2000, 31)))


def test_adding_in_levels_is_of_integers() -> None:
    real, data = load_data("adding", steps=31, samples=50), load_data("adding", steps=31, samples=50, levels=16)
    assert data.x.dtype == np.int16
    assert np.array_equal(data.x[..., 0], np.floor(16 * real.x[..., 0]))
    assert np.array_equal(data.x[..., 1], 16 * real.x[..., 1])
    assert np.array_equal(data.y[:, 0], (data.x[..., 0] * real.x[..., 1]).sum(axis=1) / 16)


def test_spoken_digits_have_the_words_of_a_speaker_each() -> None:
    data = load_data("spoken_digits", samples=400)
    assert (data.x.shape, data.x.dtype, data.classes) == ((400, 100, 70), np.int8, 20)
    assert set(np.unique(data.x)) == {0, 1}
    assert np.bincount(data.y).tolist() == [20] * 20
    assert counts(data.split) == [288, 32, 80]
    assert 0.04 < data.x.mean() < 0.12
    like_shd = load_data("spoken_digits", samples=5, steps=250, channels=140)
    assert like_shd.x.shape == (5, 250, 140)
    # six (class 6) begins and ends with hiss, one (class 1) has none: above 4.5 kHz, the upper seventh of the channels
    hissing = data.x[:, :, 60:].sum(axis=(1, 2))
    assert hissing[data.y == 6].mean() > 3 * hissing[data.y == 1].mean()


def test_spoken_digits_without_noise_differ_by_the_draw_of_spikes_alone() -> None:
    """Then the mean of a word tells it from all others; with noise that is far from enough."""
    right = {}
    for noise in (0.0, 1.0):
        data = load_data("spoken_digits", samples=400, noise=noise)
        shown, asked = data.x[:320].astype(float), data.x[320:].astype(float)
        means = np.stack([shown[data.y[:320] == k].mean(axis=0) for k in range(20)])
        distance = ((asked[:, None] - means[None]) ** 2).sum(axis=(2, 3))
        right[noise] = float(np.mean(distance.argmin(axis=1) == data.y[320:]))
    assert right[0.0] == 1.0
    assert 0.1 < right[1.0] < 0.8


def test_every_word_of_spoken_digits_has_its_phonemes() -> None:
    assert len(WORDS) == len(set(WORDS)) == 20
    used = {name for word in WORDS for name in word.split()}
    assert used == set(PHONEMES)
    for phoneme in PHONEMES.values():
        assert list(phoneme.formants) == sorted(phoneme.formants)
        assert phoneme.voice + phoneme.hiss > 0
        assert phoneme.seconds > 0


@pytest.mark.parametrize(
    ("name", "longer"), [("cue", {"delay": 30}), ("adding", {"steps": 60}), ("spoken_digits", {"steps": 20})]
)
def test_a_generated_sample_depends_on_seed_and_index_alone(name: str, longer: dict[str, Any]) -> None:
    few, again, many, other = (
        load_data(name, **longer, samples=n, seed=s) for n, s in ((20, 4), (20, 4), (90, 4), (20, 5))
    )
    assert np.array_equal(few.x, again.x)
    assert np.array_equal(few.split, again.split)
    assert np.array_equal(few.x, many.x[:20])
    assert np.array_equal(few.y, many.y[:20])
    assert not np.array_equal(few.x, other.x)
    assert len(np.unique(many.x.reshape(90, -1), axis=0)) == 90


def test_the_delay_changes_no_cue() -> None:
    short, long = load_data("cue", delay=0).x, load_data("cue", delay=77).x
    assert np.array_equal(short[:, :20], long[:, :20])
    assert np.array_equal(short[:, 20:], long[:, -20:])


@pytest.mark.parametrize(
    ("name", "digest"),
    [("cue", "3b7b2d1e7d8a3103"), ("adding", "e343f6fa3dd6be16"), ("spoken_digits", "e3fdab1dd60358ba")],
)
def test_generated_samples_are_the_same_everywhere(name: str, digest: str) -> None:
    assert hashlib.sha256(load_data(name, samples=64, seed=1).x.tobytes()).hexdigest()[:16] == digest


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cue", {"delay": -1}, "data 'cue': delay = -1, rule: a whole number, 0 or more"),
        ("cue", {"delay": 1.5}, r"delay = 1\.5, rule: a whole number"),
        ("cue", {"samples": 4}, "samples = 4, rule: a whole number, 5 or more"),
        ("cue", {"seed": -1}, "seed = -1"),
        ("cue", {"delay": True}, "delay = True"),
        ("adding", {"steps": 1}, "data 'adding': steps = 1, rule: a whole number, 2 or more"),
        ("adding", {"samples": "9"}, "samples = '9'"),
        ("adding", {"levels": 1}, "data 'adding': levels = 1, rule: 0, or 2 to 16384"),
        ("spoken_digits", {"steps": 9}, "data 'spoken_digits': steps = 9, rule: a whole number, 10 or more"),
        ("spoken_digits", {"channels": 7}, "channels = 7, rule: a whole number, 8 or more"),
        ("spoken_digits", {"noise": 3.5}, r"data 'spoken_digits': noise = 3\.5, rule: a number from 0 to 3"),
        ("spoken_digits", {"noise": "a"}, "noise = 'a'"),
        ("braille27", {"steps": 100}, "data 'braille27': steps = 100, rule: a divisor of 315, as 63, 105 or 315"),
        ("braille27", {"seed": -1}, "seed = -1"),
        ("braille27", {}, "data 'braille27' needs a folder with braille_mn_315x24.npz; pass --data-dir FOLDER"),
        ("adding", {"delay": 9}, "unknown option 'delay'.*, known: steps, samples, levels, seed"),
    ],
)
def test_wrong_options_are_named(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_data(name, **options)


def test_few_samples_still_fill_every_part() -> None:
    for name in ("cue", "adding", "spoken_digits"):
        assert counts(load_data(name, samples=5).split) == [3, 1, 1]


def test_braille_has_the_published_counts(shared_data: Path) -> None:
    data = load_data("braille", shared_data / "braille")
    assert (data.x.shape, data.x.dtype, data.classes) == ((1158, 256, 12), np.int8, 7)
    assert set(np.unique(data.x)) == {0, 1}
    assert np.bincount(data.y).tolist() == [162, 172, 164, 170, 160, 167, 163]
    assert data.x.sum() / len(data) == pytest.approx(695, abs=0.5)
    assert counts(data.split) == [668, 210, 280]
    assert np.bincount(data.part("test").y).tolist() == [40] * 7
    in_val = np.load(shared_data / "braille" / "braille_7class.npz")["in_val"]
    assert np.array_equal(data.split == "test", in_val[:, 0])
    assert np.array_equal(data.split == "validation", in_val[:, 1] & ~in_val[:, 0])


def test_each_repeat_of_braille_tests_on_a_split_of_its_own(shared_data: Path) -> None:
    in_val = np.load(shared_data / "braille" / "braille_7class.npz")["in_val"]
    for repeat in (1, 9):
        split = load_data("braille", shared_data / "braille", repeat=repeat).split
        assert np.array_equal(split == "test", in_val[:, repeat])
        assert np.array_equal(split == "validation", in_val[:, (repeat + 1) % 10] & ~in_val[:, repeat])
    for repeat in (10, -1, 1.5, True):
        with pytest.raises(InputError, match=f"repeat = {repeat}, rule: "):
            load_data("braille", shared_data / "braille", repeat=repeat)


BRAILLE = {"x": np.zeros((6, 32, 12), np.uint8), "y": np.arange(6, dtype=np.uint8), "in_val": np.zeros((6, 10), bool)}


def test_braille_names_what_is_missing_or_damaged(tmp_path: Path) -> None:
    path = tmp_path / "braille_7class.npz"
    with pytest.raises(InputError, match="data 'braille' needs a folder with braille_7class"):
        load_data("braille")
    with pytest.raises(InputError, match=r"braille_7class\.npz' does not exist; give an \.npz with keys x, y, in_val"):
        load_data("braille", tmp_path)
    np.savez(path, **BRAILLE)
    assert load_data("braille", tmp_path).x.shape == (6, 256, 12)
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"PK\3\4" + bytes(200)):
        path.write_bytes(damaged)
        with pytest.raises(FileFormatError, match=r"braille_7class\.npz' is damaged"):
            load_data("braille", tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": np.zeros((6, 31, 12), np.uint8)}, r"has x uint8 \(6, 31, 12\).* rule: uint8 \(N, 32, 12\)"),
        ({"x": np.zeros((6, 32, 12), np.int16)}, r"has x int16"),
        ({"y": np.arange(5)}, r"y int64 \(5,\)"),
        ({"y": np.zeros(6)}, r"y float64 \(6,\)"),
        ({"y": np.array(6)}, r"y int64 \(\)"),
        ({"y": np.arange(1, 8)[1:]}, r"labels \[2, 3, 4, 5, 6, 7\], rule: 0\.\.6"),
        ({"y": np.arange(6) - 1}, r"labels \[-1, 0"),
        ({"in_val": np.zeros((6, 2), bool)}, r"in_val bool \(6, 2\)"),
        ({"in_val": np.zeros((6, 10), int)}, r"in_val int64 \(6, 10\)"),
        ({"in_val": None}, "key 'in_val' is missing, found: x, y"),
    ],
)
def test_a_wrong_array_of_braille_is_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "braille_7class.npz"
    np.savez(path, **{k: v for k, v in (BRAILLE | changes).items() if v is not None})
    with pytest.raises(InputError, match=message) as raised:
        load_data("braille", tmp_path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_braille27_has_the_published_counts(shared_data: Path) -> None:
    data = load_data("braille27", shared_data / "braille")
    assert (data.x.shape, data.x.dtype, data.classes) == ((8100, 315, 24), np.int8, 27)
    assert set(np.unique(data.x)) == {0, 1}
    assert counts(data.split) == [5832, 648, 1620]
    test = data.part("test")
    assert np.bincount(test.y).tolist() == [60] * 27
    assert np.bincount(data.y).tolist() == [300] * 27
    assert data.x.sum() / len(data) == pytest.approx(273, abs=0.5)
    silent = test.y[~test.x.any(axis=(1, 2))]
    # A to S, Space, T to Z: 48 of Space, 21 of P, 1 of O
    assert np.bincount(silent, minlength=27)[[14, 15, 19]].tolist() == [1, 21, 48]
    assert len(silent) == 70
    other = load_data("braille27", shared_data / "braille", seed=1)
    assert np.array_equal(other.x, data.x)
    assert not np.array_equal(other.split, data.split)
    assert np.array_equal(other.split == "test", data.split == "test")


def test_steps_of_braille27_are_merged(tmp_path: Path) -> None:
    content = {
        f"{key}_{part}": values
        for part, seed in (("train", 0), ("test", 1))
        for key, values in braille27(np.random.default_rng(seed)).items()
    }
    np.savez(tmp_path / "braille_mn_315x24.npz", **content)
    full, merged = (load_data("braille27", tmp_path, steps=steps) for steps in (315, 63))
    assert full.x[0, 7, 9] == content["x_train"][0, 7, 1] >> 6 & 1
    assert np.array_equal(merged.x, full.x.reshape(80, 63, 5, 24).max(axis=2))
    assert 0 < full.x.mean() < merged.x.mean() < 1
    assert counts(full.split) == [36, 4, 40]


def braille27(rng: np.random.Generator) -> dict[str, np.ndarray]:
    spikes = np.packbits(rng.random((40, 315, 24)) < 0.05, axis=-1)
    return {"x": spikes, "y": rng.integers(0, 27, 40).astype(np.uint8)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_test": np.zeros((40, 315, 24), np.uint8)}, r"x_test uint8 \(40, 315, 24\).* rule: uint8 \(N, 315, 3\)"),
        ({"x_train": np.zeros((40, 315, 3), np.int16)}, r"x_train int16"),
        ({"y_train": np.zeros(39, np.uint8)}, r"y_train uint8 \(39,\)"),
        ({"y_test": np.zeros(40)}, r"y_test float64"),
        ({"y_test": np.arange(40) % 28}, r"y_test 0\.\.27, rule: labels 0\.\.26"),
        ({"y_test": None}, "key 'y_test' is missing"),
    ],
)
def test_a_wrong_array_of_braille27_is_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "braille_mn_315x24.npz"
    right = {f"{k}_{part}": v for part in ("train", "test") for k, v in braille27(np.random.default_rng(0)).items()}
    np.savez(path, **{k: v for k, v in (right | changes).items() if v is not None})
    with pytest.raises(InputError, match=message) as raised:
        load_data("braille27", tmp_path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_page_on_data_lists_every_set() -> None:
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    table, options = text.split("| name | options |")
    assert sorted(re.findall(r"^\| `(\w+)` ", table, re.MULTILINE)) == list(LOADERS)
    for row in re.findall(r"^\| (`.*)", options, re.MULTILINE):
        names, _, rest = row.partition(" | ")
        for name in re.findall(r"\w+", names):
            assert set(re.findall(r"`(\w+)=", rest)) <= set(signature(LOADERS[name]).parameters), name
