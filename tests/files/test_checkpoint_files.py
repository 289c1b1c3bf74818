"""Files of checkpoints that are damaged, hostile or of another kind, and state dicts of PyTorch."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy

from hypr_neuro.errors import FileFormatError, InputError, MissingPackageError
from hypr_neuro.exchange.checkpoints import import_checkpoint
from hypr_neuro.exchange.checkpoints.state_dict import content_of

Array = Any
Arrays = dict[str, np.ndarray]


def arrays_of(neuron: str = "alif_reset") -> Arrays:
    """2 inputs, 3 hidden neurons, 2 outputs, by names with dots."""
    rng = np.random.default_rng(5)
    own = {"alif_reset": ("tau_mem", "tau_adp"), "brf": ("omega", "b_offset")}[neuron]
    return {
        "hidden.linear.weight": rng.normal(size=(3, 5)).astype(np.float32),
        **{f"hidden.{name}": -rng.uniform(1, 9, 3).astype(np.float32) for name in own},
        "out.linear.weight": rng.normal(size=(2, 3)).astype(np.float32),
        "out.tau_mem": -rng.uniform(5, 20, 2).astype(np.float32),
    }


def save(path: Path, arrays: Arrays) -> Path:
    np.savez(path, **{name.replace(".", "_"): array for name, array in arrays.items()})
    return path


# --- hostile and damaged files


def test_a_pickle_in_an_npz_is_refused_and_not_run(tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "was run",)

    np.savez(tmp_path / "a.npz", hidden_linear_weight=np.array([Runs()], dtype=object))
    with pytest.raises(FileFormatError, match="'hidden_linear_weight' holds pickled objects, rule: plain numbers"):
        import_checkpoint(tmp_path / "a.npz")
    assert not (tmp_path / "was run").exists()


def test_an_npz_that_unpacks_to_more_than_it_may_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "a.npz", hidden_linear_weight=np.zeros((1 << 10, 1 << 10)))
    assert (tmp_path / "a.npz").stat().st_size < 20_000
    monkeypatch.setattr("hypr_neuro.exchange.checkpoints.content.LARGEST", 1 << 20)
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(FileFormatError, match="'all arrays together' would take 8388736 bytes unpacked, rule: at most"):
        import_checkpoint(tmp_path / "a.npz")


def header(shape: tuple[int, ...]) -> bytes:
    """Of an .npy of float32."""
    stream = BytesIO()
    npy.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def rewritten(path: Path, change: Callable[[str, bytes], tuple[str, bytes]]) -> Path:
    """The .npz with every member's name and bytes changed."""
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members:
            archive.writestr(*change(name, data))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda name, data: (name, header((3, 10**12)) + data[128:]),
            "says float32 .*, 12000000000000 bytes, but holds",
        ),
        (lambda name, data: (name, header((-3, -5)) + data[128:]), "says float32 of shape"),
        (lambda name, data: (name, data[:-1]), "says float32 of shape .* but holds"),
        (lambda name, data: (name, data + b"\0"), "says float32 of shape .* but holds"),
        (lambda name, data: (name, b"\x93NUMPY\x09\x00" + data[8:]), "no readable .npy header"),
        (lambda name, data: (name, data[:20]), "no readable .npy header"),
        (lambda name, data: (name, data.replace(b"'descr'", b"'d' + 'e'")), "no readable .npy header"),
        (lambda name, data: (name.removesuffix(".npy"), data), "is no array, rule: an .npz of plain arrays"),
    ],
    ids=["larger than its data", "negative", "cut", "longer", "version", "header cut", "header of code", "no .npy"],
)
def test_an_array_whose_header_lies_is_refused(change: Callable[..., Any], message: str, tmp_path: Path) -> None:
    path = rewritten(save(tmp_path / "a.npz", arrays_of()), change)
    with pytest.raises(FileFormatError, match=message):
        import_checkpoint(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_array_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", arrays_of())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("out_tau_mem.npy", archive.read("out_tau_mem.npy"))
    with pytest.raises(FileFormatError, match=r"'out_tau_mem\.npy' is there twice"):
        import_checkpoint(path)


def test_a_file_cut_or_altered_anywhere_is_refused(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.npz", arrays_of()).read_bytes()
    rng = np.random.default_rng(6)
    for length in (0, 10, *rng.integers(0, len(whole), 40).tolist()):
        (tmp_path / "b.npz").write_bytes(whole[:length])
        with pytest.raises(FileFormatError, match=r"b\.npz' is damaged"):
            import_checkpoint(tmp_path / "b.npz")
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        start = archive.getinfo("out_linear_weight.npy").header_offset
    damaged = bytearray(whole)
    damaged[start + 200] ^= 1
    (tmp_path / "b.npz").write_bytes(damaged)
    with pytest.raises(FileFormatError, match="Bad CRC-32"):
        import_checkpoint(tmp_path / "b.npz")


def test_endings_and_absent_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown ending '\.h5'.*, known: \.npz, \.pt, \.pth"):
        import_checkpoint(tmp_path / "a.h5")
    for ending in (".npz", ".pt", ".pth"):
        with pytest.raises(InputError, match=r"does not exist; give an \.npz, \.pt or \.pth file"):
            import_checkpoint(tmp_path / f"a{ending}")


# --- state dicts of PyTorch, with tensors that stand in for torch's, and with torch itself where it is installed


class Tensor:
    """As much of a tensor as the reader uses."""

    is_sparse = is_quantized = False

    def __init__(self, values: Any, numel: int | None = None) -> None:
        self.values = np.asarray(values)
        self.count = self.values.size if numel is None else numel

    def detach(self) -> Tensor:
        return self

    cpu = double = detach

    def is_complex(self) -> bool:
        return self.values.dtype.kind == "c"

    def numel(self) -> int:
        return self.count

    def item(self) -> Any:
        return self.values.item()

    def numpy(self) -> Array:
        return self.values


def state(neuron: str = "brf") -> dict[str, Any]:
    return {name: Tensor(array) for name, array in arrays_of(neuron).items()}


def test_what_training_keeps_beside_the_state_dict_is_left_out_by_name() -> None:
    loaded = {
        "model_state_dict": state(),
        "optimizer_state_dict": {"lr": 0.1},
        "lr_scheduler": {},
        "epoch": 7,
        "loss": 0.25,
        "name": "ecg",
    }
    content = content_of(Path("a.pt"), loaded)
    assert content.arrays.keys() == state().keys()
    assert content.epoch == 7
    assert content.left_out == {
        "optimizer_state_dict": "state of the training",
        "lr_scheduler": "state of the training",
        "epoch": "7, when it was saved",
        "loss": "0.25, a single value",
        "name": "'ecg', a single value",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: {"model_state_dict": d, "ema": dict(d)}, "'ema' beside 'model_state_dict' is a dict"),
        (
            lambda d: {"model_state_dict": d, "weights": d["out.tau_mem"]},
            "'weights' beside 'model_state_dict' is a Tensor",
        ),
        (lambda d: {"model_state_dict": [1]}, "'model_state_dict' is a list, rule: a dict of tensors"),
        (lambda d: d | {"hidden.omega": [1.0, 2.0]}, "'hidden.omega' is a list, rule: tensors by name"),
        (lambda d: {"net": d}, "'net' is a dict, rule: tensors by name"),
        (lambda d: d | {3: d["out.tau_mem"]}, "'3' is a Tensor, rule: tensors by name"),
        (lambda d: d | {"epoch": "last"}, "'epoch' is a str, rule: one whole number"),
        (lambda d: d | {"hidden.omega": Tensor(np.ones(3, complex))}, "'hidden.omega' is no dense tensor of real"),
        (lambda d: d | {"hidden.omega": Tensor([1.0], 1 << 40)}, r"'hidden.omega' would take \d+ bytes unpacked"),
    ],
)
def test_what_a_state_dict_may_not_hold(change: Callable[[dict[str, Any]], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        content_of(Path("a.pt"), change(state()))


def test_an_epoch_may_be_a_tensor_of_one() -> None:
    assert content_of(Path("a.pt"), state() | {"epoch": Tensor(3)}).epoch == 3


def test_without_torch_a_state_dict_is_refused_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "a.pt").write_bytes(b"any")
    with pytest.raises(MissingPackageError, match="is read with PyTorch: pip install torch, or save its arrays with"):
        import_checkpoint(tmp_path / "a.pt")


def test_torch_is_asked_for_weights_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def load(path: Path, **options: Any) -> Any:
        asked.update(options)
        return state()

    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(load=load))
    (tmp_path / "a.pt").write_bytes(b"any")
    net, summary = import_checkpoint(tmp_path / "a.pt")
    assert asked == {"map_location": "cpu", "weights_only": True}
    assert (summary.container, net.layers[0].model.name) == ("torch", "brf")


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is not installed")


def tensors(torch: Any, neuron: str = "alif_reset") -> dict[str, Any]:
    return {name: torch.tensor(array) for name, array in arrays_of(neuron).items()}


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("neuron", ["alif_reset", "brf"])
def test_torch_files_give_the_network_of_the_npz(
    torch: Any, neuron: str, nested: bool, old: bool, tmp_path: Path
) -> None:
    content = tensors(torch, neuron) | {"hidden.linear.mask": torch.ones(3, 5)}
    if nested:
        parameter = torch.nn.Parameter(torch.ones(3))
        optimizer = torch.optim.Adam([parameter])
        parameter.sum().backward()
        optimizer.step()
        content = {"model_state_dict": content, "optimizer_state_dict": optimizer.state_dict(), "epoch": 3}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=not old)
    net, summary = import_checkpoint(tmp_path / "a.pth")
    wanted, _ = import_checkpoint(save(tmp_path / "a.npz", arrays_of(neuron)))
    for ours, theirs in zip(net.layers, wanted.layers, strict=True):
        assert np.array_equal(ours.weight, theirs.weight)
        assert all(np.array_equal(ours.params[name], theirs.params[name]) for name in theirs.params)
    assert np.array_equal(net.layers[0].recurrent, wanted.layers[0].recurrent)
    training = {"optimizer_state_dict", "epoch"} if nested else set()
    assert summary.left_out.keys() == {"hidden.linear.mask"} | training


def test_torch_halves_are_read_exactly(torch: Any, tmp_path: Path) -> None:
    content = tensors(torch)
    content["out.linear.weight"] = content["out.linear.weight"].to(torch.bfloat16)
    torch.save(content, tmp_path / "a.pt")
    found = import_checkpoint(tmp_path / "a.pt")[0].layers[1].weight
    assert np.array_equal(found, content["out.linear.weight"].to(torch.float64).numpy())


def test_a_whole_pickled_model_is_refused_and_not_run(torch: Any, tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "was run",)

    for content in (torch.nn.Linear(2, 2), Runs(), {"model_state_dict": Runs()}):
        torch.save(content, tmp_path / "a.pt")
        with pytest.raises(FileFormatError, match="damaged, or needs pickle and would run code of the file"):
            import_checkpoint(tmp_path / "a.pt")
    assert not (tmp_path / "was run").exists()


def test_damaged_torch_files_are_refused(torch: Any, tmp_path: Path) -> None:
    torch.save(tensors(torch), tmp_path / "a.pt")
    whole = (tmp_path / "a.pt").read_bytes()
    for length in (0, 3, *np.random.default_rng(7).integers(0, len(whole) - 1, 30).tolist()):
        (tmp_path / "b.pt").write_bytes(whole[:length])
        with pytest.raises(FileFormatError, match=r"b\.pt' is damaged"):
            import_checkpoint(tmp_path / "b.pt")


def test_torch_files_larger_than_they_look_are_refused(
    torch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(tensors(torch) | {"hidden.tau_mem": torch.ones(1).expand(1 << 40)}, tmp_path / "a.pt")
    with pytest.raises(FileFormatError, match=r"'hidden.tau_mem' would take \d+ bytes unpacked"):
        import_checkpoint(tmp_path / "a.pt")
    torch.save(tensors(torch) | {"hidden.tau_mem": torch.zeros(1 << 18)}, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive, zipfile.ZipFile(tmp_path / "b.pt", "w") as packed:
        for name in archive.namelist():
            packed.writestr(name, archive.read(name), zipfile.ZIP_DEFLATED)
    assert (tmp_path / "b.pt").stat().st_size < 10_000
    monkeypatch.setattr("hypr_neuro.exchange.checkpoints.content.LARGEST", 1 << 20)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("unpacked"))
    with pytest.raises(FileFormatError, match="'all records together' would take"):
        import_checkpoint(tmp_path / "b.pt")


@pytest.mark.parametrize("kind", ["sparse", "complex"])
def test_torch_tensors_of_other_kinds_are_refused(torch: Any, kind: str, tmp_path: Path) -> None:
    made = torch.ones(3).to_sparse() if kind == "sparse" else torch.ones(3, dtype=torch.complex64)
    torch.save(tensors(torch) | {"hidden.tau_mem": made}, tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"'hidden\.tau_mem' is no dense tensor of real numbers"):
        import_checkpoint(tmp_path / "a.pt")
