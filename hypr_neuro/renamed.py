"""Module names of version 0.1: each still imports, warns, and is the module of today's name; they go in 0.3."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

PACKAGE = __name__.rpartition(".")[0]
RENAMED = {
    "agreement": "comparing.agreement",
    "checkpoints": "exchange.checkpoints",
    "compare": "comparing.compare",
    "compilers.c.learn": "compilers.c.learning.learn",
    "compilers.c.learn_build": "compilers.c.learning.build",
    "compilers.c.learn_layer": "compilers.c.learning.layer",
    "compilers.c.learn_library": "compilers.c.learning.library",
    "compilers.c.learn_memory": "compilers.c.learning.memory",
    "compilers.c.learn_plan": "compilers.c.learning.limits",
    "compilers.c.learn_source": "compilers.c.learning.source",
    "compilers.c.learn_tables": "compilers.c.learning.tables",
    "compilers.c.learn_update": "compilers.c.learning.update",
    "compilers.lava.integer": "compilers.lava.integers.network",
    "compilers.lava.integer_batch": "compilers.lava.integers.batch",
    "compilers.lava.integer_record": "compilers.lava.integers.record",
    "compilers.lava.integer_trace": "compilers.lava.integers.trace",
    "compilers.lava.integer_worker": "compilers.lava.integers.worker",
    "compilers.lava.learning_arrays": "compilers.lava.learning.message",
    "compilers.lava.learning_kernels": "compilers.lava.learning.kernels",
    "compilers.lava.learning_parameters": "compilers.lava.learning.eligibility",
    "compilers.lava.learning_run": "compilers.lava.learning.run",
    "compilers.lava.learning_schedule": "compilers.lava.learning.schedule",
    "compilers.lava.learning_update": "compilers.lava.learning.update",
    "compilers.lava.learning_worker": "compilers.lava.learning.worker",
    "compilers.netx.lines": "compilers.netx.constant_currents",
    "compilers.netx.whole": "compilers.netx.weights",
    "convolution": "graph.convolution",
    "demo": "workflow.demo",
    "diff": "comparing.diff",
    "fixed_point": "numbers.fixed_point",
    "float_device": "comparing.float_device",
    "float_graph": "graph.network",
    "float_kernels": "comparing.float_kernels",
    "float_twin": "comparing.twin",
    "forward": "run.forward",
    "graph_forward": "run.graph_forward",
    "graph_quantize": "quantizing.graph_quantize",
    "hil": "devices",
    "importing": "exchange.importing",
    "integer": "graph.integer",
    "jit": "numbers.jit",
    "kinds": "graph.kinds",
    "lanes": "numbers.lanes",
    "learned_values": "quantizing.learned_values",
    "learning_memory": "placement.learning_memory",
    "loihi_weights": "graph.loihi_weights",
    "network": "graph.network",
    "netx": "exchange.netx",
    "nir_io": "exchange.nir",
    "place": "placement.place",
    "probes": "comparing.probes",
    "profile": "profiles.profile",
    "quantize": "quantizing.quantize",
    "run_folder": "files.run_folder",
    "scales": "comparing.scales",
    "score": "data.score",
    "sim.align": "traces.align",
    "sim.changing": "sim.learning.changing",
    "sim.entries": "sim.learning.entries",
    "sim.errors": "sim.learning.errors",
    "sim.float_trace": "traces.float_trace",
    "sim.graph_trace": "traces.float_trace",
    "sim.layer_learner": "sim.learning.layer",
    "sim.layer_reference": "sim.learning.reference_layer",
    "sim.learn": "sim.learning.learn",
    "sim.learn_options": "sim.learning.options",
    "sim.learner": "sim.learning.learner",
    "sim.learner_state": "sim.learning.state",
    "sim.learning_kernels": "sim.learning.kernels",
    "sim.learning_reference": "sim.learning.reference",
    "sim.line": "sim.history",
    "sim.trace": "traces.trace",
    "sim.update": "sim.learning.update",
    "sim.update_reference": "sim.learning.reference_update",
    "sim.updater": "sim.learning.updater",
    "sim.updates": "sim.learning.updates",
    "spec": "graph.spec",
    "stages": "workflow.stages",
    "stages_fixed": "workflow.stages_fixed",
    "store": "files.store",
    "surrogates": "numbers.surrogates",
    "synapses": "graph.synapses",
    "tasks": "workflow.tasks",
    "tuples": "numbers.unrolled",
    "testing_integer": "testing.integer",
    "testing_populations": "testing.populations",
    "update_probe": "comparing.update_probe",
    "weight_groups": "quantizing.weight_groups",
}
"""Old name below `hypr_neuro` -> new one. A package takes the modules inside it along."""


def today(name: str) -> str | None:
    """Return the full name of today for a full name of version 0.1, None for any other name."""
    if not name.startswith(f"{PACKAGE}."):
        return None
    old = name[len(PACKAGE) + 1 :]
    parts = old.split(".")
    for end in range(len(parts), 0, -1):
        new = RENAMED.get(".".join(parts[:end]))
        if new is not None:
            return ".".join([PACKAGE, new, *parts[end:]])
    return None


def warn_renamed(old: str, new: str) -> None:
    """Warn whoever called the caller that a name of version 0.1 is another one today."""
    warnings.warn(f"'{old}' is now '{new}'; change the name", DeprecationWarning, stacklevel=3)


def renamed_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a module whose old `names` still give what has the new ones, with a warning.

    A new name "file.name" stands in a file of the package `module`.
    """

    def get(name: str) -> Any:
        new = names.get(name)
        if new is None:
            raise AttributeError(f"module '{module}' has no attribute '{name}'")
        warn_renamed(f"{module}.{name}", new)
        file, _, new_name = new.rpartition(".")
        return getattr(import_module(f"{module}.{file}") if file else sys.modules[module], new_name)

    return get


class _Alias(Loader):
    """Loads nothing: the module is the one of today's name."""

    def __init__(self, target: str) -> None:
        self.target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self.target)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # the import system has put the old name's spec there
        module.__spec__ = self.spec


class _Finder(MetaPathFinder):
    """Asked first: found on its path, a module of a renamed package would be loaded a second time."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        new = today(fullname)
        if new is None:
            return None
        warnings.warn(f"module '{fullname}' is now '{new}'; change the import", DeprecationWarning, stacklevel=2)
        return ModuleSpec(fullname, _Alias(new))


def install() -> None:
    """Let the import system ask here, once."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
