"""Device 'grpc://host:port': any device in another room, behind `hypr-neuro serve`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypr_neuro.devices.device import DeviceBase, Progress
from hypr_neuro.devices.prepared import Prepared
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.link.faults import FaultyFrames
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import check_input
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.traces.trace import Trace

if TYPE_CHECKING:
    from hypr_neuro.link.requests import LinkStatistics
    from hypr_neuro.remote.link import ServerLink
    from hypr_neuro.sim.learning.chip_learner import ChipLearner

HERE = {"functions": "it cannot call into this program; learn with functions of your own on 'sim'"}


class _Program:
    """A network that the server has prepared."""

    def __init__(self, link: ServerLink, number: str, network: QuantizedNetwork | IntegerNetwork) -> None:
        self.line, self.number, self.network = link, number, network
        self.lease = link.lease

    def discard(self) -> None:
        """Let the server forget it."""
        if self.line.lease:
            self.line.call("Drop", {"program": self.number})


class GrpcDevice(DeviceBase):
    """Runs and learns on the device of a server.

    Parameters
    ----------
    address
        "host:port", with "?ca=FILE" and the other options as a query.
    token, token_file
        What the server knows the client by; HYPR_NEURO_TOKEN and HYPR_NEURO_TOKEN_FILE are read without them.
    ca
        The server's certificate authority; None: no TLS, on this machine only.
    insecure
        Allow no TLS to other machines.
    patience
        Seconds for which calls are repeated while nobody answers.
    client
        By which a server without tokens knows the client.
    """

    name = "grpc"
    address = "host:port"
    has_link = True
    missing: Mapping[str, str] = HERE

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        token_file: str | None = None,
        ca: str | None = None,
        insecure: bool | None = None,
        patience: float | None = None,
        client: str | None = None,
    ) -> None:
        from hypr_neuro.remote.link import ServerLink

        super().__init__(address)
        self.line = ServerLink(
            address, token=token, token_file=token_file, ca=ca, insecure=insecure, patience=patience, client=client
        )
        self.served = ""

    @property
    def link(self) -> LinkStatistics:
        """What the line has carried."""
        return self.line.statistics

    def open(self) -> None:
        """Connect; what the device there can do is known from then on."""
        if not self._open:
            if self.link_faults is not None and self.line.faulty is None:
                self.line.faulty = FaultyFrames(self.link_faults, f"grpc://{self.line.target}")
            told = self.line.open()
            self.served, self.missing = str(told["device"]), {**told["missing"], **HERE}
        super().open()

    def _prepare(self, network: QuantizedNetwork | IntegerNetwork, options: LearnOptions | None) -> Any:
        return self._program(network, options) if self._open else None

    def _program(self, network: QuantizedNetwork | IntegerNetwork, options: LearnOptions | None) -> _Program:
        from hypr_neuro.remote.contents import network_out

        told, _ = self.line.call("Prepare", *network_out(network, options))
        return _Program(self.line, str(told["program"]), network)

    def _ready(self, prepared: Prepared) -> _Program:
        """Return the server's program of what runs: numbers that have changed since are prepared anew."""
        made = prepared.made
        if isinstance(made, _Program):
            if made.network is prepared.network:
                return made
            made.discard()
        fresh = self._program(prepared.network, prepared.options)
        self._loaded = replace(prepared, made=fresh)
        return fresh

    def _with_program(self, prepared: Prepared, method: str, meta: dict[str, Any], arrays: dict[str, Array]) -> Any:
        """Call with the server's program, which is prepared anew where the lease has expired meanwhile."""
        while True:
            program = self._ready(prepared)
            try:
                return self.line.call(method, {**meta, "program": program.number}, arrays)
            except InputError:
                if self.line.lease == program.lease:
                    raise
                prepared = replace(prepared, made=None)

    def _run(self, prepared: Prepared, x: Array, record: Sequence[str], on_block: Progress | None) -> Trace:
        from hypr_neuro.remote.contents import trace_in
        from hypr_neuro.traces.trace import narrowed

        data = check_input(prepared.network, x)
        told = self._with_program(prepared, "Run", {"record": list(record)}, {"x": narrowed(data)})
        trace = trace_in(*told)
        if on_block is not None:
            on_block(len(data), len(data))
        return trace

    def _learner(self, prepared: Prepared, qnet: QuantizedNetwork) -> ChipLearner:
        from hypr_neuro.remote.learner import RemoteLearner

        assert prepared.options is not None
        told, _ = self._with_program(prepared, "Begin", {}, {})
        return RemoteLearner(qnet, prepared.options, self.line, str(told["run"]))

    def close(self) -> None:
        """Leave the server, which gives back all that this device has loaded; one that is gone is not waited for."""
        self._loaded = None
        super().close()
        self.line.close()


DEVICE = GrpcDevice
