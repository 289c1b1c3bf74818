"""Which processes make up a Lava network, hierarchical ones walked to their leaves.

A hierarchical process consists of others, which its SubProcessModel makes and connects when Lava compiles the network.
Here the model is built to be read, and what it connected to the process is taken off again at the end, so that Lava
compiles the same network as if nobody had looked. The processes inside are then copies of those that Lava will run.

As Lava does without ``select_sub_proc_model``, a process that has a model of its own is not taken apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypr_neuro.compilers.lava.read_ports import describe
from hypr_neuro.errors import InputError

TAG = "fixed_pt"
"""Which of several models Lava is asked to choose."""


class ProcessTree:
    """All processes that hang together with one, as leaves; `close` leaves every process as it was found.

    Parameters
    ----------
    process
        Any of them.
    leaves
        Classes that are not taken apart.
    outside
        Numbers of processes that are not either.

    Attributes
    ----------
    processes
        In the order in which they were made, parts of a process in its place.
    hierarchies
        Processes that consist of others, in words, each with the model that says of which.
    """

    def __init__(self, process: Any, leaves: set[type], outside: set[int]) -> None:
        self.hierarchies: list[str] = []
        self._parents: set[int] = set()
        self._restored: list[_Ports] = []
        self._place: dict[int, tuple[int, ...]] = {}
        try:
            found = self._walk(process, leaves, outside)
        except BaseException:
            self.close()
            raise
        self.processes = sorted(found, key=lambda p: self._place[p.id])

    def rank(self, process: Any) -> tuple[int, ...]:
        """Return what the order of `processes` is by; a process around them, such as lava-dl's, has its number."""
        return self._place.get(process.id, (process.id,))

    def consists_of_others(self, number: int) -> bool:
        """Tell whether the process of that number was taken apart."""
        return number in self._parents

    def close(self) -> None:
        """Take off what reading connected."""
        while self._restored:
            self._restored.pop().restore()

    def _walk(self, process: Any, leaves: set[type], outside: set[int]) -> list[Any]:
        seen, waiting, found = {process.id}, [process], []
        while waiting:
            p = waiting.pop()
            self._place.setdefault(p.id, (p.id,))
            parts: list[Any] = []
            model = None if type(p) in leaves or p.id in outside else sub_process_model(p)
            if model is None:
                found.append(p)
            else:
                parts = self._parts(p, model)
            for other in (*parts, *neighbours(p)):
                if other is not None and other.id not in seen:
                    seen.add(other.id)
                    waiting.append(other)
        return found

    def _parts(self, process: Any, model: type) -> list[Any]:
        """Return the processes inside, connected to the ports of the process, each named "process/part"."""
        own_parts = {p.id for p in process.procs.members}
        self._restored += [_Ports(p) for p in (process, *process.procs.members)]
        self._parents.add(process.id)
        self.hierarchies.append(f"{describe(process)}, {model.__qualname__}")
        try:
            parts = model(process).find_sub_procs()
        except Exception as error:
            raise InputError(
                f"{describe(process)}: its {model.__qualname__} fails with {type(error).__name__}: {error}; "
                "rule: Lava itself can compile the network"
            ) from error
        for key, part in parts.items():
            if part.id not in own_parts:
                own = key if part.name == f"Process_{part.id}" else part.name
                part.name = f"{process.name}/{own}"
            self._place[part.id] = (*self._place[process.id], part.id)
        return list(parts.values())


class _Ports:
    """Connections and aliases of a process as they are now."""

    def __init__(self, process: Any) -> None:
        self.ports = [
            (port, list(port.in_connections), list(port.out_connections), dict(port.connection_configs))
            for port in _ports(process)
        ]
        self.aliases = [(var, var.aliased_var) for var in process.vars.members]

    def restore(self) -> None:
        """Give the process these connections and aliases again."""
        for port, before, after, settings in self.ports:
            port.in_connections, port.out_connections, port.connection_configs = before, after, settings
        for var, aliased in self.aliases:
            var.aliased_var = aliased


def sub_process_model(process: Any) -> type | None:
    """Return the SubProcessModel that says of which processes this one consists, None if it stands for itself.

    Raise InputError where there are several and Lava's tag does not choose one.
    """
    from lava.magma.core.model.model import AbstractProcessModel
    from lava.magma.core.model.sub.model import AbstractSubProcessModel

    models = [m for m in _subclasses(AbstractProcessModel) if getattr(m, "implements_process", None) is type(process)]
    hierarchical = [m for m in models if issubclass(m, AbstractSubProcessModel)]
    if not hierarchical or len(hierarchical) < len(models):
        return None
    if len(hierarchical) > 1:
        hierarchical = [m for m in hierarchical if TAG in getattr(m, "tags", ())] or hierarchical
    if len(hierarchical) > 1:
        names = ", ".join(m.__qualname__ for m in hierarchical)
        raise InputError(
            f"{describe(process)}: SubProcessModels {names}, rule: one of them tagged '{TAG}', so that it is "
            "clear which Lava takes; tag it"
        )
    return hierarchical[0]


def neighbours(process: Any) -> list[Any]:
    """Return processes that have a connection with this one, over any kind of port."""
    return [end.process for port in _ports(process) for end in (*port.get_src_ports(), *port.get_dst_ports())]


def _ports(process: Any) -> list[Any]:
    kinds = process.in_ports, process.out_ports, process.ref_ports, process.var_ports
    return [port for kind in kinds for port in kind.members]


def _subclasses(kind: type) -> Iterator[type]:
    each: type
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)
