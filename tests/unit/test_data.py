"""Data sets: shapes, splits and counts of the real ones; a user's file is checked key by key."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypr_neuro.cli.graphs import encoded
from hypr_neuro.data import load_data
from hypr_neuro.data.sequence import SequenceData, hold_out_validation
from hypr_neuro.errors import FileFormatError, HyprError, HyprWarning, InputError
from hypr_neuro.testing.integer import random_integer_network


def test_digits_are_row_by_row_with_the_last_writers_for_test() -> None:
    from sklearn.datasets import load_digits

    data = load_data("digits")
    images, labels = load_digits(return_X_y=True)
    assert data.x.shape == (1797, 64, 64)
    assert set(np.unique(data.x)) == {0, 1}
    assert np.array_equal(data.y, labels)
    assert np.array_equal(np.flatnonzero(data.split == "test"), np.arange(1437, 1797))
    assert [int((data.split == part).sum()) for part in ("train", "validation")] == [1293, 144]
    # step 8r shows row r: channel 8c + j is on if pixel c is brighter than (j + ½)/8 of 16
    row = images[5].reshape(8, 8)[3]
    wanted = (row[:, None] / 16 > (np.arange(8) + 0.5) / 8).reshape(-1)
    assert np.array_equal(data.x[5, 24:32], np.repeat(wanted[None], 8, axis=0))
    assert np.array_equal(data.mask[0], np.arange(64) >= 56)
    assert data.encoder == {"method": "scan", "rows": 8, "hold": 8, "levels": 8}


def test_the_seed_chooses_the_validation_samples() -> None:
    first, again, other = (load_data("digits", seed=s).split for s in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(first == "test", other == "test")


@pytest.fixture(scope="module")
def ecg_folder(shared_data: Path) -> Path:
    return shared_data / "ecg"


def test_ecg_has_the_published_counts(ecg_folder: Path) -> None:
    data = load_data("ecg", ecg_folder)
    parts = {name: data.part(name) for name in ("train", "validation", "test")}
    assert data.x.shape == (759, 1300, 4)
    assert set(np.unique(data.x)) == {0, 1}
    assert len(parts["train"]) + len(parts["validation"]) == 618
    assert len(parts["validation"]) == 62
    assert len(parts["test"]) == 141
    assert data.classes == 6
    assert data.mask is None
    learned = np.concatenate([parts["train"].labelled, parts["validation"].labelled])
    assert 1 - learned.mean() == pytest.approx(0.082, abs=0.0015)
    assert 1 - parts["test"].labelled.mean() == pytest.approx(0.104, abs=0.0015)
    assert data.labelled[:, 0].all()
    counts = np.bincount(parts["test"].y[parts["test"].labelled], minlength=6)
    # published over 1301 steps; the one left out of each of 141 sequences makes the difference
    published = np.array([24141, 10135, 9835, 9056, 55849, 55250])
    assert 0 <= (published - counts).sum() <= 141
    assert (np.abs(published - counts) <= 141).all()


def test_ecg_unlabelled_steps_are_class_0_or_masked(ecg_folder: Path) -> None:
    plain, masked = load_data("ecg", ecg_folder), load_data("ecg", ecg_folder, unlabelled="masked")
    assert not plain.y[~plain.labelled].any()
    assert np.array_equal(masked.mask, masked.labelled)
    assert np.array_equal(plain.y, masked.y)


def test_ecg_keeps_the_last_step_on_request(ecg_folder: Path) -> None:
    data = load_data("ecg", ecg_folder, keep_last=True)
    assert data.x.shape == (759, 1301, 4)
    assert (data.x[:, 1300, 0] == -1).all()


def test_ecg_names_what_is_missing_or_damaged(tmp_path: Path, ecg_folder: Path) -> None:
    with pytest.raises(InputError, match="needs a folder with QTDB_train"):
        load_data("ecg")
    with pytest.raises(InputError, match=r"QTDB_train\.mat' does not exist"):
        load_data("ecg", tmp_path)
    with pytest.raises(InputError, match="unlabelled = 'dropped', rule: 'class0' or 'masked'"):
        load_data("ecg", ecg_folder, unlabelled="dropped")
    content = (ecg_folder / "QTDB_test.mat").read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"MATLAB 5.0 MAT-file" + bytes(200)):
        (tmp_path / "QTDB_train.mat").write_bytes(damaged)
        with pytest.raises(FileFormatError, match=r"QTDB_train\.mat' is damaged"):
            load_data("ecg", tmp_path)


def arrays(**changes: Any) -> dict[str, Any]:
    """A good file's arrays, some changed; None leaves one out."""
    rng = np.random.default_rng(0)
    good = {
        "x_train": rng.random((20, 7, 3)),
        "y_train": rng.integers(0, 4, 20),
        "x_test": rng.random((5, 7, 3)),
        "y_test": np.array([0, 1, 2, 3, 0]),
    }
    return {k: v for k, v in (good | changes).items() if v is not None}


def test_a_users_file_is_taken_as_it_is(tmp_path: Path) -> None:
    content = arrays(mask_test=np.arange(35).reshape(5, 7) % 2 == 0)
    np.savez(tmp_path / "mine.npz", **content)
    data = load_data("mine.npz", tmp_path)
    assert np.array_equal(data.x, np.concatenate([content["x_train"], content["x_test"]]))
    assert np.array_equal(data.y, np.concatenate([content["y_train"], content["y_test"]]))
    assert [int((data.split == p).sum()) for p in ("train", "validation", "test")] == [18, 2, 5]
    assert data.mask[:20].all()
    assert np.array_equal(data.mask[20:], content["mask_test"])
    assert (data.name, data.classes) == ("mine", 4)


def test_a_users_file_may_bring_validation_and_step_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    steps = {f"y_{p}": rng.integers(0, 3, (n, 7)) for p, n in (("train", 20), ("validation", 4), ("test", 5))}
    np.savez(tmp_path / "mine.npz", **arrays(x_validation=rng.random((4, 7, 3)), **steps))
    data = load_data(str(tmp_path / "mine.npz"))
    assert data.per_step
    assert np.array_equal(data.part("validation").y, steps["y_validation"])
    assert len(data.part("train")) == 20


def test_a_users_file_says_how_many_classes_there_are(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays(y_train=np.repeat([2, 3], 10), y_test=np.full(5, 3)))
    assert load_data(str(path), classes=6).classes == 6
    with pytest.raises(InputError, match="classes = 3, found label 3, rule: labels below classes"):
        load_data(str(path), classes=3)
    np.savez(path, **arrays(y_train=np.arange(20, dtype=np.uint64) % 4))
    assert (load_data(str(path)).classes, load_data(str(path)).y.dtype) == (4, np.int64)
    np.savez(path, **arrays(y_train=np.zeros((20, 2)), y_test=np.zeros((5, 2))))
    with pytest.raises(InputError, match="classes = 2 and float y_train"):
        load_data(str(path), classes=2)


@pytest.mark.parametrize("shape", [(2,), (7, 2)])
def test_a_users_file_may_hold_targets(shape: tuple[int, ...], tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    y = {"y_train": rng.random((20, *shape), np.float32), "y_test": rng.random((5, *shape), np.float32)}
    np.savez(tmp_path / "mine.npz", **arrays(**y))
    data = load_data("mine.npz", tmp_path)
    assert (data.regression, data.per_step, data.classes) == (True, len(shape) == 2, 2)
    assert np.array_equal(data.y, np.concatenate(list(y.values())))
    assert data.y.dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_test": None}, "key 'x_test' is missing, found: x_train, y_test, y_train"),
        ({"y_train": None}, "key 'y_train' is missing"),
        ({"x_validation": np.zeros((4, 7, 3))}, "key 'y_validation' is missing"),
        ({"x_train": np.zeros((20, 7))}, r"x_train float64 of shape \(20, 7\), rule: numbers \(sample, T, channel\)"),
        ({"x_train": np.zeros((20, 0, 3))}, r"x_train float64 of shape \(20, 0, 3\)"),
        ({"x_train": np.zeros((0, 7, 3)), "y_train": np.zeros(0, int)}, r"x_train float64 of shape \(0, 7, 3\)"),
        ({"x_train": np.full((20, 7, 3), "a")}, "x_train <U1"),
        ({"x_train": np.zeros((20, 7, 3), complex)}, "x_train complex128"),
        ({"x_train": np.full((20, 7, 3), np.nan)}, r"x_train\[0, 0, 0\] = nan, rule: finite numbers"),
        ({"x_test": np.full((5, 7, 3), np.inf)}, r"x_test\[0, 0, 0\] = inf, rule: finite numbers"),
        ({"x_test": np.zeros((5, 8, 3))}, r"x_test \(5, 8, 3\).* do not go with x_train \(20, 7, 3\)"),
        ({"x_test": np.zeros((5, 7, 2))}, r"x_test \(5, 7, 2\)"),
        ({"y_test": np.zeros((5, 7), int)}, "do not go with"),
        (
            {"y_train": np.zeros(20)},
            r"y_train float64 of shape \(20,\), rule: integers.* or float targets with one more",
        ),
        ({"y_train": np.zeros(20)}, r"; give y\.astype\(int\) for classes, or y\[\.\.\., None\] for one target$"),
        ({"y_train": np.full(20, 0.5)}, r"more axis; give y\[\.\.\., None\] for one target$"),
        ({"y_train": np.full(20, "3")}, r"y_train <U1 .*; give y\.astype\(int\)$"),
        ({"y_train": np.full(20, "cat")}, r"number the classes: np\.unique\(y, return_inverse=True\)\[1\]$"),
        ({"y_train": np.eye(4, dtype=int)[np.arange(20) % 4]}, r"one-hot labels: give y\.argmax\(axis=-1\)$"),
        (
            {"x_train": np.ones((20, 7)), "x_test": np.zeros((5, 7))},
            r"give x\[:, :, None\]; spikes over time are made of vectors by --encode rate:steps=64",
        ),
        ({"y_train": np.zeros((20, 2))}, r"y_test int64 \(5,\) do not go with x_train \(20, 7, 3\), y_train float64"),
        ({"y_train": np.zeros((20, 2)), "y_test": np.zeros((5, 3))}, r"y_test float64 \(5, 3\) do not go with"),
        ({"y_train": np.zeros((20, 6, 2))}, r"y_train float64 of shape \(20, 6, 2\)"),
        ({"y_train": np.zeros((20, 0))}, r"y_train float64 of shape \(20, 0\)"),
        ({"y_train": np.zeros((20, 1)) * np.nan}, r"y_train\[0, 0\] = nan, rule: finite numbers"),
        ({"y_train": np.full(20, 1)}, "lowest label of y_train is 1, rule: classes count from 0; subtract 1, or pass"),
        ({"y_train": np.full((20, 7), 3), "y_test": np.zeros((5, 7), int)}, "lowest label of y_train is 3"),
        ({"y_train": np.zeros(19, int)}, r"y_train int64 of shape \(19,\), rule: integers, \(20,\) or \(20, 7\)"),
        ({"y_train": np.zeros((20, 3), int)}, r"y_train int64 of shape \(20, 3\)"),
        ({"y_train": np.int64(3)}, r"y_train int64 of shape \(\)"),
        ({"y_train": np.full(20, True)}, "y_train bool"),
        ({"y_train": np.full(20, -1)}, r"labels -1\.\., rule: 0, 1, 2"),
        ({"mask_train": np.ones((20, 6))}, r"mask_train float64 of shape \(20, 6\), rule: booleans \(20, 7\)"),
    ],
)
def test_a_wrong_array_of_a_users_file_is_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays(**changes))
    with pytest.raises(InputError, match=message) as raised:
        load_data(str(path))
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_cannot_be_learned_of_a_users_file_is_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "unseen.npz", **arrays(y_train=np.arange(20) % 3, y_test=np.array([0, 1, 2, 4, 3])))
    with pytest.warns(HyprWarning, match="^data 'unseen': part 'test' has labels 3, 4, part 'train' has none of them"):
        assert load_data("unseen.npz", tmp_path).classes == 5
    still = {f"x_{part}": np.zeros((count, 7, 3), int) for part, count in (("train", 20), ("test", 5))}
    np.savez(tmp_path / "still.npz", **arrays(**still))
    with pytest.warns(HyprWarning, match=r"still\.npz': x is 0 everywhere"):
        load_data("still.npz", tmp_path)


class Hostile:
    """Leaves a file behind if it is ever unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.path, "w"))


def test_a_pickle_in_a_users_file_is_refused_and_not_run(tmp_path: Path) -> None:
    path, mark = tmp_path / "mine.npz", tmp_path / "ran"
    np.savez(path, **arrays(x_train=np.array([Hostile(mark)], dtype=object)))
    with pytest.raises(FileFormatError, match=r"mine\.npz' is damaged or no \.npz of plain arrays"):
        load_data(str(path))
    path.write_bytes(f"cbuiltins\nopen\n(V{mark}\nVw\ntR.".encode())  # the same as a bare stream
    with pytest.raises(FileFormatError, match=r"mine\.npz'"):
        load_data(str(path))
    assert not mark.exists()


def test_a_truncated_or_foreign_file_of_a_user_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, **arrays())
    content = path.read_bytes()
    for size in range(0, len(content), len(content) // 25):
        path.write_bytes(content[:size])
        with pytest.raises(FileFormatError, match=r"mine\.npz' is damaged"):
            load_data(str(path))
    np.save(tmp_path / "one.npy", np.zeros((2, 3, 4)))
    (tmp_path / "one.npy").rename(path)
    with pytest.raises(FileFormatError, match=r"mine\.npz'"):
        load_data(str(path))


def test_flipped_bytes_of_a_users_file_give_data_or_a_named_error(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, **arrays())
    content = path.read_bytes()
    for at in np.random.default_rng(2).integers(0, len(content), 120):
        damaged = bytearray(content)
        damaged[at] ^= 1 << int(at % 8)
        path.write_bytes(damaged)
        message = refusal(path)
        assert message is None or (str(path) in message and "\n" not in message), f"byte {at}"


def refusal(path: Path) -> str | None:
    """The error that loading the file gives; None if it loads."""
    try:
        load_data(str(path))
    except HyprError as error:
        return str(error)
    return None


def test_unknown_data_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"unknown data 'nonsense'.*, known: .*adding, .*braille, .*, or the path of an \.npz file"
    ):
        load_data("nonsense")
    with pytest.raises(InputError, match=r"data 'cue': unknown option 'dely'.*, known: delay, samples, seed"):
        load_data("cue", dely=10)
    with pytest.raises(InputError, match=r"data 'mine\.npz': unknown option 'delay'.*, known: classes, seed"):
        load_data("mine.npz", tmp_path, delay=10)
    with pytest.raises(InputError, match=r"gone\.npz' does not exist; give an \.npz with keys x_train"):
        load_data("gone.npz", tmp_path)


def sequence(**changes: Any) -> SequenceData:
    given = {
        "name": "d",
        "x": np.zeros((4, 6, 2)),
        "y": np.array([0, 1, 0, 1]),
        "classes": 2,
        "split": np.array(["train", "train", "test", "test"]),
    }
    return SequenceData(**(given | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": np.zeros((4, 6))}, r"data 'd': x of shape \(4, 6\)"),
        ({"x": np.full((4, 6, 2), np.nan)}, r"data 'd': x\[0, 0, 0\] = nan, rule: finite"),
        ({"y": np.zeros(3, int)}, r"data 'd': y int64 of shape \(3,\), rule: integers \(4,\) or \(4, 6\), or float"),
        ({"y": np.array([0, 1, 2, 1])}, r"labels are integers 0\.\.1, got int64 0\.\.2"),
        ({"y": np.array([0, -1, 0, 1])}, r"labels are integers 0\.\.1, got int64 -1\.\.1"),
        ({"y": np.zeros(4)}, r"y float64 of shape \(4,\), rule: integers .* or float targets \(4, 2\) or \(4, 6, 2\)"),
        ({"y": np.zeros((4, 1))}, r"y float64 of shape \(4, 1\)"),
        ({"y": np.zeros((4, 5, 2))}, r"y float64 of shape \(4, 5, 2\)"),
        ({"y": np.zeros(4, bool)}, r"y bool of shape \(4,\)"),
        ({"y": np.array([[0, 1], [0, np.inf], [0, 1], [0, 1]])}, r"data 'd': y\[1, 1\] = inf, rule: finite"),
        ({"split": np.full(4, "trian")}, r"split\[0\] = 'trian' \(did you mean 'train'\?\), known: train, validation"),
        ({"split": np.full(3, "train")}, r"split of shape \(3,\), rule: \(4,\) of train"),
        ({"mask": np.ones((4, 5), bool)}, r"mask of shape \(4, 5\)"),
        ({"labelled": np.ones(4, bool)}, r"labelled of shape \(4,\)"),
    ],
)
def test_wrong_sequences_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sequence(**changes)


def test_parts_and_batches_keep_samples_with_their_labels() -> None:
    rng = np.random.default_rng(3)
    data = sequence(x=rng.random((4, 6, 2)), mask=rng.random((4, 6)) < 0.5)
    test = data.part("test")
    assert np.array_equal(test.x, data.x[2:])
    assert np.array_equal(test.mask, data.mask[2:])
    batches = list(data.batches(3, np.array([3, 1, 0, 2])))
    assert [len(b) for b in batches] == [3, 1]
    assert np.array_equal(np.concatenate([b.x for b in batches]), data.x[[3, 1, 0, 2]])
    assert np.array_equal(np.concatenate([b.y for b in batches]), data.y[[3, 1, 0, 2]])
    with pytest.raises(InputError, match="no sample in part 'validation'"):
        data.part("validation")
    with pytest.raises(InputError, match=r"unknown part 'dev'.*, known: train, validation, test"):
        data.part("dev")


def test_consecutive_samples_are_a_view_and_others_a_copy() -> None:
    data = sequence(x=np.arange(48.0).reshape(4, 6, 2), mask=np.ones((4, 6), bool))
    for index, shared in (([1, 2], True), ([0, 1, 2, 3], True), ([3], True), ([2, 1], False), ([0, 2], False)):
        found = data.take(np.array(index))
        assert np.array_equal(found.x, data.x[index])
        assert np.array_equal(found.split, data.split[index])
        assert np.shares_memory(found.x, data.x) == shared, index
        assert np.shares_memory(found.mask, data.mask) == shared, index
    assert len(data.take(np.array([], int))) == 0
    for outside in ([4], [3, 4], [-5]):
        with pytest.raises(IndexError):
            data.take(np.array(outside))
    assert np.array_equal(data.take(np.array([-2, -1])).x, data.x[2:])


def test_samples_of_a_file_longer_than_memory_are_read_one_by_one(tmp_path: Path) -> None:
    shape = (1 << 20, 64, 1024)
    with (tmp_path / "x").open("wb") as file:
        file.truncate(int(np.prod(shape)))  # 64 GiB of holes
    x = np.memmap(tmp_path / "x", np.int8, "r+", shape=shape)
    x[[5, 77_777, 1_000_000], 3, 4] = 1
    split = np.where(np.arange(len(x)) < 900_000, "train", "test").astype("<U10")
    split[7] = "validation"
    data = SequenceData("long", x, np.zeros(len(x), int), split, 2)
    assert data.take(np.array([77_777, 5])).x.sum() == 2
    assert data.part("test").take(np.arange(100_000 - 2, 100_000 + 2)).x.sum() == 1
    assert next(data.batches(16)).x.sum() == 1
    assert not isinstance(next(data.batches(16)).x, np.memmap)


def test_values_of_a_file_are_checked_a_block_at_a_time(tmp_path: Path) -> None:
    x = np.memmap(tmp_path / "x", np.float32, "w+", shape=(600, 100, 1000))
    tracemalloc.start()
    data = SequenceData("long", x, np.zeros(600, int), np.full(600, "train"), 1)
    assert data.take(np.arange(600)).x.nbytes == x.nbytes
    assert tracemalloc.get_traced_memory()[1] < x.nbytes / 20
    tracemalloc.stop()
    x[599, 98, 7] = np.nan
    with pytest.raises(InputError, match=r"data 'long': x\[599, 98, 7\] = nan"):
        SequenceData("long", x, np.zeros(600, int), np.full(600, "train"), 1)


def test_validation_is_a_share_of_train() -> None:
    for count, share, wanted in ((100, 0.1, 10), (7, 0.1, 1), (20, 0.5, 10)):
        split = hold_out_validation(count, share, 0)
        assert int((split == "validation").sum()) == wanted
        assert set(split) == {"train", "validation"}


def test_a_few_samples_are_spread_over_each_part() -> None:
    split = np.array(["train"] * 10 + ["test"] * 2)
    data = SequenceData("sorted", np.zeros((12, 3, 1), np.int8), np.repeat([0, 1], 6), split, 2)
    few = data.few(3)
    assert few.split.tolist() == ["train"] * 3 + ["test"] * 2
    assert few.y.tolist() == [0, 0, 1, 1, 1]


def test_fractions_are_cut_off_behind_an_input_that_scales_not_before() -> None:
    """64 · 0.5 + 1 is 33; what remains of fractions then is cut off toward 0, as lava-dl's users do."""
    net = random_integer_network(3)
    net.notes["input"] = {"scale": 64, "offset": 1}
    x = np.ones((2, 3, net.inputs))
    given = SequenceData("whole", x, np.zeros(2, np.int64), np.array(["train", "test"]), 2)
    for factor, wanted in ((1, 65), (0.5, 33), (1 / 3, 22), (-1 / 3, -20)):
        values = encoded(net, replace(given, x=x * factor)).x
        assert values.dtype == np.int64
        assert np.all(values == wanted)
    with pytest.raises(
        InputError, match=r"data 'whole': 64 · x \+ 1 reaches 6.4e\+10, rule: below 2\^31; scale the data"
    ):
        encoded(net, replace(given, x=x * 1e9))
