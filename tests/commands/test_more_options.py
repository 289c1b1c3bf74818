"""Options that Python has, on the command line; and data without labels, of which `simulate` writes the answers."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from commands import answer, called, refusal
from netx_runs import networks, write

import hypr_neuro as hn
from hypr_neuro.devices.lava import LavaDevice
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import simulate

here, refused = partial(answer, run=called), partial(refusal, run=called)


# --- networks and training


def test_layers_are_chosen_on_the_command_line(data: Path, tmp_path: Path) -> None:
    command = ("train", "--data", data, "--epochs", "1", "--layer", "lif:12", "--layer", "brf:7")
    here(*command, "--no-bias", "--out", tmp_path / "a")
    net = hn.load(tmp_path / "a" / "network.h5")
    assert [(p.model.name, p.size) for p in net.populations] == [("lif", 12), ("brf", 7), ("li", 2)]
    assert not any(p.biases or "bias" in p.trainable for p in net.populations[:2])
    omega = net.populations[1].params["omega"]
    assert omega.min() < 20 < omega.max() <= 30, "the task's range of brf, 4 to 30"
    assert "--layer=lif:12 --layer=brf:7 --no-bias" in json.loads((tmp_path / "a/results/command.json").read_text())
    here(*command, "--out", tmp_path / "b")
    assert all(p.biases or "bias" in p.trainable for p in hn.load(tmp_path / "b" / "network.h5").populations[:2])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--layer", "lif"), "layer lif, rule: NEURON:SIZE, such as brf:64"),
        (("--layer", "lif:0"), "layer lif:0, rule: NEURON:SIZE"),
        (("--layer", "brff:3"), "unknown neuron 'brff' (did you mean 'brf'?)"),
        (("--layer", "lif:3", "--spec", "net.yaml"), "--spec with --layer, rule: one of them"),
        (("--no-bias", "--from", "net.h5"), "--from with --no-bias, rule: one of them"),
        (("--feedback", "randm"), "'randm' (did you mean 'random'?)"),
    ],
)
def test_networks_that_do_not_go_together_are_refused(
    words: tuple[str, ...], message: str, data: Path, tmp_path: Path
) -> None:
    assert message in refused("train", "--data", data, *words, "--out", tmp_path / "out")


def test_training_takes_all_options_of_python(data: Path, tmp_path: Path) -> None:
    words = ("--average", "0.9", "--feedback", "random", "--rule", "eprop", "--epochs", "2", "--layer", "alif:9")
    here("train", "--data", data, *words, "--out", tmp_path)
    net = hn.Network.build(hn.load(tmp_path / "network.h5").notes["spec"], seed=0)
    loaded = hn.load_data(data)
    hn.scale_to_rate(net, loaded.part("train").x[:64], 0.03)
    hn.train(net, loaded, average=0.9, feedback="random", rule="eprop", epochs=2, rate=0.02)
    for name, array in hn.load(tmp_path / "network.h5").arrays().items():
        assert np.array_equal(array, net.arrays()[name]), name
    here("train", "--data", data, "--rule", "ostl", "--update-every", "8", "--epochs", "1", "--out", tmp_path / "o")


# --- integers


def test_quantize_takes_all_options_of_python(run: Path, data: Path, tmp_path: Path) -> None:
    network, loaded = run / "network.h5", hn.load_data(data)
    here("quantize", network, "--bias", "line", "--out", tmp_path)
    expected = hn.quantize(hn.load(network), "loihi2", calibration=loaded, bias="line")
    got = QuantizedNetwork.load(tmp_path / "quantized.h5")
    assert got.explain() == expected.explain()
    assert "bias='membrane', rule: " in refused("quantize", network, "--bias", "membrane", "--out", tmp_path / "m")
    command = ("quantize", network, "--weight-range", "layers.0.input=64", "--weight-range", "readout.input=9")
    here(*command, "--out", tmp_path)
    expected = hn.quantize(
        hn.load(network), "loihi2", calibration=loaded, weight_range={"layers.0.input": 64, "readout.input": 9}
    )
    for name, weights in QuantizedNetwork.load(tmp_path / "quantized.h5").weights().items():
        assert np.array_equal(weights, expected.weights()[name])
    told = json.loads((tmp_path / "results" / "commands.json").read_text())[-1]
    assert "--weight-range=layers.0.input=64 --weight-range=readout.input=9" in told
    assert "--weight-range big, rule: NAME=NUMBER" in refused("quantize", network, "--weight-range", "big")
    told = refused("quantize", network, "--bias", "axon")
    assert all(name in told for name in ("'axon'", "line", "membrane"))


def test_import_takes_all_options_of_netx(tmp_path: Path) -> None:
    case = networks(np.random.default_rng(0))["integers convolved"]
    path = write(tmp_path / "a.net", case["layers"])
    words = ("--input-message-bits", str(case["bits"]), "--connection-delay", "0", "--layers", "2")
    here("import", path, *words, "--out", tmp_path / "a")
    expected = hn.read_netx(path, input_message_bits=case["bits"], connection_delay=0, layers=2).network
    got = IntegerNetwork.load(tmp_path / "a" / "integer.h5")
    assert got.digest() == expected.digest()
    assert got.connection_delay == 0
    assert "--input-shape 3,3, rule: X,Y,CHANNELS" in refused("import", path, "--input-shape", "3,3")
    assert "input_message_bits = 99" in refused("import", path, "--input-message-bits", "99", "--out", tmp_path / "b")
    assert "connection_delay = 0: no choice of a .nir file" in refused("import", "a.nir", "--connection-delay", "0")


# --- data without labels


@pytest.fixture(scope="module")
def unlabelled(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("unlabelled") / "new.npz"
    with np.load(data) as file:
        np.savez(path, x=file["x_test"])
    return path


@pytest.mark.parametrize("network", ["network.h5", "quantized.h5"])
def test_answers_without_labels_are_those_with_labels(
    network: str, run: Path, data: Path, unlabelled: Path, tmp_path: Path
) -> None:
    labelled = here("simulate", run / network, "--predictions", tmp_path / "known.csv")
    done = called("simulate", run / network, "--data", unlabelled, "--json")
    assert f"'{unlabelled}' has no labels, so there is nothing to score" in done.stderr
    found = json.loads(done.stdout)
    assert not [name for name in found if "accuracy" in name or "labelled" in name]
    assert found["rates"] == labelled["rates"]
    written = run / "new_predictions.csv"
    assert found["predictions_in"] == str(written)
    assert written.read_text() == (tmp_path / "known.csv").read_text()
    rows = written.read_text().splitlines()
    assert rows[0] == "sample,prediction"
    assert [int(row.split(",")[1]) for row in rows[1:]] == found["predictions"]
    with np.load(data) as file:
        assert labelled["accuracy"] == np.mean(np.array(found["predictions"]) == file["y_test"])
    table = called("simulate", run / network, "--data", unlabelled, "--samples", "5").stdout
    assert "answers by class" in table
    assert "accuracy" not in table


def test_answers_go_to_an_npz_and_beside_float(run: Path, unlabelled: Path, tmp_path: Path) -> None:
    words = ("--data", unlabelled, "--network", run / "network.h5", "--predictions", tmp_path / "a.npz")
    found = here("simulate", run / "quantized.h5", *words)
    assert 0 <= found["answers_as_in_float"] <= 1
    assert set(found["float_rates"]) == set(found["rates"])
    with np.load(unlabelled) as file, np.load(tmp_path / "a.npz") as answers:
        qnet = QuantizedNetwork.load(run / "quantized.h5")
        readout = qnet.in_one_unit(simulate(qnet, file["x"]).readout)
        assert np.array_equal(answers["predictions"], readout.astype(np.int64).sum(axis=1).argmax(axis=1))


def test_a_report_needs_labels(run: Path, unlabelled: Path, tmp_path: Path) -> None:
    words = ("--data", unlabelled, "--network", run / "network.h5", "--out", tmp_path)
    message = f"--out {tmp_path}: a report needs labels, 'new' has none; --predictions keeps answers"
    assert message in refused("simulate", run / "quantized.h5", *words)


@pytest.mark.filterwarnings("ignore:squared error:hypr_neuro.errors.HyprWarning")
def test_what_is_answered_follows_the_training(tmp_path: Path) -> None:
    """One answer a step, and targets, where the network was trained so; the network's encoder is taken as well."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 12, 2)).cumsum(axis=1)
    for name, y in (("step", (x[:, :, 0] > 0).astype(int)), ("target", x.mean(axis=1)[:, :1].astype(np.float32))):
        np.savez(tmp_path / f"{name}.npz", x_train=x, y_train=y, x_test=x[:5], y_test=y[:5])
        np.savez(tmp_path / "new.npz", x=x[:5])
        words = ("--encode", "level_crossing:threshold=0.3", "--epochs", "1", "--layer", "lif:9")
        here("train", "--data", tmp_path / f"{name}.npz", *words, "--out", tmp_path / name)
        network = tmp_path / name / "network.h5"
        labelled = here("simulate", network, "--predictions", tmp_path / "known.csv")
        assert ("squared_error" in labelled) == (name == "target")
        found = here("simulate", network, "--data", tmp_path / "new.npz", "--predictions", tmp_path / "new.csv")
        assert (tmp_path / "new.csv").read_text() == (tmp_path / "known.csv").read_text()
        assert np.shape(found["predictions"]) == ((5, 12) if name == "step" else (5, 1))
        header = (tmp_path / "new.csv").read_text().splitlines()[0]
        assert header == ("sample,step,prediction" if name == "step" else "sample,target_0")


def test_wrong_arrays_without_labels_are_refused(run: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "flat.npz", x=np.zeros((3, 4), np.int8))
    assert "x_test int8 of shape (3, 4), rule: numbers (sample, T, channel)" in refused(
        "simulate", run / "quantized.h5", "--data", tmp_path / "flat.npz"
    )
    np.savez(tmp_path / "half.npz", x_test=np.zeros((3, 4, 8), np.int8), y_test=np.zeros(3, np.int8))
    assert "key 'x_train' is missing" in refused("simulate", run / "quantized.h5", "--data", tmp_path / "half.npz")


# --- networks that do not belong together, devices that do not learn


@pytest.fixture(scope="module")
def others(run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Float networks of more inputs, of another hidden layer, and of the right form with one connection less."""
    folder, net = tmp_path_factory.mktemp("others"), hn.load(run / "network.h5")
    inputs, outputs, hidden = net.inputs, net.output_size, net.populations[0]
    layer = {"neuron": hidden.model.neuron, "size": hidden.size}
    specs = {
        "wide": {"inputs": inputs + 3, "outputs": outputs, "layers": [layer]},
        "small": {"inputs": inputs, "outputs": outputs, "layers": [layer | {"size": 5}]},
    }
    for name, spec in specs.items():
        hn.Network.build(spec, seed=0).save(folder / f"{name}.h5")
    return {name: folder / f"{name}.h5" for name in specs}


@pytest.mark.parametrize("other", ["wide", "small"])
def test_a_float_network_of_another_form_is_refused_before_anything_runs(
    other: str, run: Path, data: Path, others: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ran(*_: object, **__: object) -> None:
        raise AssertionError("something ran")

    monkeypatch.setattr("hypr_neuro.cli.cmd_simulate._run", ran)
    monkeypatch.setattr("hypr_neuro.workflow.found_rate.search_rate", ran)
    qnet, net = hn.load(run / "quantized.h5"), hn.load(others[other])
    quantized, given = run / "quantized.h5", others[other]
    for words in (
        ("simulate", quantized, "--network", given, "--data", data),
        ("simulate", quantized, "--network", given, "--data", data, "--out", tmp_path / "out"),
        ("compare", given, quantized, "--data", data, "--out", tmp_path / "out"),
    ):
        said = refused(*words)
        assert f"'{given}' has {net.inputs} inputs, layers.0 (" in said
        assert (
            f", {net.populations[0].size}), readout (li, {net.output_size}) and '{quantized}' {qnet.inputs} inp" in said
        )
        assert "they differ; give the one that was quantized" in said
    assert not (tmp_path / "out").exists()
    loaded = hn.load_data(data)
    with pytest.raises(InputError, match=r"the float network has .* they differ; give the one that was quantized"):
        hn.compare(net, qnet, loaded)


@pytest.mark.filterwarnings("ignore:no output moved")
def test_integers_without_a_profile_are_held_against_the_ends_of_a_float_network(
    run: Path, data: Path, others: dict[str, Path], tmp_path: Path
) -> None:
    hn.load(run / "quantized.h5").integer().save(tmp_path / "integer.h5")
    said = refused("simulate", tmp_path / "integer.h5", "--network", others["wide"], "--data", data)
    assert f"and '{tmp_path / 'integer.h5'}' 8 inputs, 2 outputs: they differ" in said
    figures = here("simulate", tmp_path / "integer.h5", "--network", others["small"], "--data", data, "--json")
    assert "float_accuracy" in figures


def test_a_device_that_cannot_learn_is_refused_before_a_rate_is_searched(
    run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def searched(*_: object, **__: object) -> None:
        raise AssertionError("a rate was searched")

    monkeypatch.setattr("hypr_neuro.workflow.found_rate.search_rate", searched)
    monkeypatch.setattr("hypr_neuro.comparing.compare.search_rate", searched)
    monkeypatch.setattr(LavaDevice, "missing", {"learn": "it only runs networks; learn on 'sim'"})
    common = ("--data", data, "--device", "lava", "--out", tmp_path / "out")
    for words in (("learn", run / "quantized.h5"), ("compare", run / "network.h5", run / "quantized.h5")):
        assert "device 'lava' cannot learn: it only runs networks; learn on 'sim'" in refused(*words, *common)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="device 'lava' cannot learn"):
        hn.compare(hn.load(run / "network.h5"), hn.load(run / "quantized.h5"), hn.load_data(data), device="lava")
