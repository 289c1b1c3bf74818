"""What a server refuses, and that it goes on: strangers, damage, floods, leases of others."""

from __future__ import annotations

import json
import os
import random
import socket
import stat
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest
from commands import program
from served import Server
from small_learning import learning_network, learning_samples

from hypr_neuro.devices import open_device
from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.remote.packing import METHODS, SERVICE, packed, unpacked
from hypr_neuro.serving.credentials import make_credentials
from hypr_neuro.sim.engine import simulate

pytestmark = pytest.mark.once

SEED = int(os.environ.get("HYPR_SEED", "0"))
MESSAGES = int(os.environ.get("HYPR_MESSAGES", "2000"))
X = np.random.default_rng(SEED).integers(0, 2, (2, 20, 4))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("state"))
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lab") / "credentials"
    make_credentials(folder, ["localhost", "127.0.0.1"], ["anna", "ben"])
    return folder


@pytest.fixture(scope="module")
def secure(lab: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("state"), "--credentials", str(lab))
    yield server
    assert server.stop() == 0


def assert_serves(address: str, **options: Any) -> None:
    with open_device(address, **options) as device:
        device.load(learning_network(SEED))
        assert np.array_equal(device.run(X).readout, simulate(learning_network(SEED), X).readout)


def test_credentials_open_the_device_and_nothing_else_does(secure: Server, lab: Path, tmp_path: Path) -> None:
    ca, token = str(lab / "ca.pem"), str(lab / "anna.token")
    assert_serves(f"{secure.address}?ca={ca}&token_file={token}")
    assert_serves(secure.address, ca=ca, token=(lab / "ben.token").read_text().strip())
    for wrong in ({}, {"token": "guessed"}, {"token": ""}):
        with pytest.raises(InputError, match=r"no valid token; set HYPR_NEURO_TOKEN"):
            open_device(secure.address, ca=ca, patience=2.0, **wrong)
    with pytest.raises(HyprError, match=r"no answer for 1 s .* add \?ca=FILE for TLS"):
        open_device(secure.address, token_file=token, patience=1.0)
    make_credentials(tmp_path / "other", ["127.0.0.1"], ["anna"])
    with pytest.raises(HyprError, match="no answer for 1 s"):
        open_device(secure.address, ca=str(tmp_path / "other" / "ca.pem"), token_file=token, patience=1.0)
    assert_serves(secure.address, ca=ca, token_file=token)


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    make_credentials(folder, ["127.0.0.1"], ["anna"], days=-1)
    server = Server(tmp_path / "state", "--credentials", str(folder))
    try:
        with pytest.raises(HyprError, match="no answer for 1 s"):
            open_device(server.address, ca=str(folder / "ca.pem"), token_file=str(folder / "anna.token"), patience=1.0)
    finally:
        server.stop()


def test_credentials_are_the_owners_alone_and_hold_no_token(lab: Path) -> None:
    for path in lab.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    hashed = (lab / "tokens.json").read_text()
    assert sorted(json.loads(hashed)) == ["anna", "ben"]
    assert (lab / "anna.token").read_text().strip() not in hashed
    with pytest.raises(InputError, match="holds credentials already"):
        make_credentials(lab, ["localhost"], ["anna"])


@pytest.mark.parametrize("address", ["127.0.0.1", ":9000", "127.0.0.1:", "127.0.0.1:http", "localhost:70000"])
def test_an_address_without_a_port_is_refused_at_once(address: str) -> None:
    with pytest.raises(InputError, match=r"rule: grpc://HOST:PORT, port 1 to 65535"):
        open_device(f"grpc://{address}")


def test_off_this_machine_tls_is_the_rule(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"without TLS, rule: off this machine TLS"):
        open_device("grpc://board.example.org:9000")
    done = program("serve", "--listen", "0.0.0.0:0", "--state", str(tmp_path / "s"))
    assert done.returncode == 2
    assert "without --credentials, rule: TLS and tokens off this machine" in done.stderr


def test_leases_and_runs_of_others_are_refused(secure: Server, lab: Path) -> None:
    ca = str(lab / "ca.pem")
    anna = open_device(secure.address, ca=ca, token_file=str(lab / "anna.token"))
    ben = open_device(secure.address, ca=ca, token_file=str(lab / "ben.token"))
    with anna, ben:
        from hypr_neuro.devices.grpc import GrpcDevice

        assert isinstance(anna, GrpcDevice)
        assert isinstance(ben, GrpcDevice)
        anna.load(learning_network(SEED), options())
        learner = anna.learner()
        learner.learn(learning_samples(2, SEED))
        with pytest.raises(InputError, match="is unknown here"):
            ben.line.call("Look", {"run": learner.run, "at": 0, "counts": True})
        stolen = packed(({"lease": anna.line.lease}, {}))
        call = ben.line.channel.unary_unary(f"/{SERVICE}/Leave")
        with pytest.raises(grpc.RpcError, match="no such lease"):
            call(stolen, metadata=ben.line._metadata())
        learner.learn(learning_samples(1, SEED))
        assert learner.counts().seen


def options() -> Any:
    from hypr_neuro.sim.learning.options import LearnOptions

    return LearnOptions(seed=SEED)


def test_an_expired_lease_is_refused_and_asked_for_anew(tmp_path: Path) -> None:
    server = Server(tmp_path, "--lease", "1")
    try:
        with open_device(server.address) as device:
            line: Any = device.line
            line._stop.set()  # nobody renews
            device.load(learning_network(SEED), options())
            learner = device.learner()
            learner.learn(learning_samples(2, SEED))
            x, expected = X, simulate(learner.fetch(), X).readout
            old = line.lease
            time.sleep(1.2)
            assert np.array_equal(device.run(x).readout, expected)
            learner.learn(learning_samples(1, SEED))
            assert line.lease != old
    finally:
        server.stop()


@contextmanager
def channel(server: Server) -> Iterator[Any]:
    opened = grpc.insecure_channel(
        f"127.0.0.1:{server.port}", [("grpc.max_send_message_length", 1 << 30), ("grpc.use_local_subchannel_pool", 1)]
    )
    try:
        yield opened
    finally:
        opened.close()


def fuzzed(draw: random.Random, whole: bytes) -> bytes:
    """Draw a message: noise, a true one with damage, or one whose check is right and whose content is not."""
    kind = draw.randrange(4)
    if kind == 0:
        return draw.randbytes(draw.randrange(200))
    if kind == 1:
        place = draw.randrange(len(whole))
        return whole[:place] + draw.randbytes(draw.randrange(1, 9)) + whole[place:]
    if kind == 2:
        return whole[: draw.randrange(len(whole))]
    values: list[Any] = [None, -1, 1 << 70, "x" * 50, [], {}, True, 0.5, [[[]]], {"a": {"b": []}}]
    keys = (
        "lease",
        "run",
        "program",
        "first",
        "noted",
        "what",
        "rates",
        "kinds",
        "at",
        "record",
        "network",
        "options",
        "kind",
        "names",
        "own",
        "step",
        "samples",
        "sha256",
        "name",
    )
    meta = {key: draw.choice(values) for key in draw.sample(keys, draw.randrange(1, len(keys)))}
    lease = json.loads(json.dumps(unpacked(whole)[0]))["lease"]
    arrays = {name: np.zeros(draw.randrange(5), draw.choice(["i1", "f8", "?"])) for name in ("x", "0/x", "state", "7")}
    return packed(({**meta, "lease": lease} if draw.random() < 0.8 else meta, arrays))


def test_damaged_and_senseless_messages_are_refused_and_memory_stays(plain: Server) -> None:
    draw = random.Random(SEED)
    process = psutil.Process(plain.process.pid)
    with channel(plain) as line:
        lease = unpacked(line.unary_unary(f"/{SERVICE}/Enter")(packed(({"name": "fuzz"}, {}))))[0]["lease"]
        whole = packed(({"lease": lease}, {"x": np.arange(9)}))
        before, refused, codes = 0, 0, set()
        for i in range(MESSAGES):
            if i == MESSAGES // 4:
                before = process.memory_info().rss
            method = draw.choice([m for m in METHODS if m not in ("Leave", "Enter")])
            try:
                line.unary_unary(f"/{SERVICE}/{method}")(fuzzed(draw, whole), timeout=20)
            except grpc.RpcError as error:
                refused += 1
                codes.add(error.code())
    assert codes <= {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.FAILED_PRECONDITION,
    }
    assert refused > MESSAGES // 2
    assert process.memory_info().rss < before + (32 << 20)
    assert_serves(plain.address)


def test_a_message_that_is_too_large_is_refused_before_it_is_read(plain: Server) -> None:
    with channel(plain) as line, pytest.raises(grpc.RpcError) as caught:
        line.unary_unary(f"/{SERVICE}/Enter")(bytes((256 << 20) + 1), timeout=60)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert_serves(plain.address)


def test_slow_and_silent_connections_hold_nobody_up(plain: Server) -> None:
    sockets = [socket.create_connection(("127.0.0.1", plain.port)) for _ in range(200)]
    try:
        for i, each in enumerate(sockets):
            if i % 2:
                with suppress(OSError):
                    each.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00"[: 1 + i % 26])
        assert_serves(plain.address)
    finally:
        for each in sockets:
            each.close()


def test_two_hundred_clients_are_served(plain: Server) -> None:
    qnet, failed = learning_network(SEED), []
    expected = simulate(qnet, X).readout

    def client(i: int) -> None:
        try:
            with open_device(plain.address, client=f"c{i}", patience=120) as device:
                device.load(qnet)
                if not np.array_equal(device.run(X).readout, expected):
                    failed.append(f"{i}: other numbers")
        except HyprError as error:
            failed.append(f"{i}: {error}")

    threads = [threading.Thread(target=client, args=(i,)) for i in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed[:3]
    assert_serves(plain.address)


def test_metrics_and_health(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Server(tmp_path, "--metrics", f"127.0.0.1:{port}")
    try:
        from grpc_health.v1 import health_pb2, health_pb2_grpc

        with channel(server) as line:
            stub = health_pb2_grpc.HealthStub(line)
            assert stub.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING
        with open_device(server.address, client="anna") as device:
            device.load(learning_network(SEED), options())
            device.learner().learn(learning_samples(3, SEED))
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                text = answer.read().decode()
        assert "hypr_neuro_steps_total 3.0" in text
        assert "hypr_neuro_clients 1.0" in text
        assert 'hypr_neuro_device_seconds_total{client="anna' in text
    finally:
        server.stop()


def test_runs_that_are_too_large_or_too_long_are_refused(tmp_path: Path) -> None:
    server = Server(tmp_path, "--longest", "0.1")
    try:
        with open_device(server.address) as device:
            device.load(learning_network(SEED))
            with pytest.raises(InputError, match=r"its trace may take 1167 MiB, rule: at most 256; run fewer samples"):
                device.run(np.zeros((3000, 1000, 4), np.int8), ["u", "v", "w", "spikes"])
            with pytest.raises(InputError, match=r"run stopped after 0.1 s, \d+ of \d+; run fewer samples at once"):
                device.run(np.zeros((200, 20_000, 4), np.int8))
            assert np.array_equal(device.run(X).readout, simulate(learning_network(SEED), X).readout)
    finally:
        server.stop()
