"""hypr-neuro: recurrent spiking networks from float HYPR training to integers on neuromorphic chips.

Public names are loaded when they are first used, so that importing the package stays quick.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hypr_neuro.renamed import install, renamed_names, warn_renamed

_MODULES = {
    "FloatPopulation": "graph.float_population",
    "FloatSynapses": "graph.float_synapses",
    "HyprError": "errors",
    "IntegerNetwork": "graph.integer",
    "LearnOptions": "sim.learning.learn",
    "Network": "graph.network",
    "Population": "graph.integer",
    "Profile": "profiles.profile",
    "QuantizationAware": "train.quantized",
    "QuantizedNetwork": "quantizing.network",
    "SequenceData": "data",
    "Simulator": "sim.simulator",
    "Synapses": "graph.integer",
    "Trace": "traces.trace",
    "check": "bounds.check",
    "compare": "comparing.compare",
    "compile": "compilers:compile_network",
    "complexity": "placement.complexity",
    "compare_devices": "comparing.side_by_side",
    "diff": "comparing.diff",
    "encode": "data",
    "estimate": "placement.estimate:estimate_network",
    "evaluate": "train.loop",
    "find_widths": "studies.widths",
    "float_trace": "traces.float_trace",
    "from_lava": "compilers.lava.from_lava",
    "gradients": "train.gradients",
    "import_checkpoint": "exchange.checkpoints",
    "import_file": "exchange.importing",
    "import_nir": "exchange.nir",
    "largest_networks": "placement.budget",
    "largest_on_chip": "workflow.chip_room",
    "learn": "sim.learning.learn",
    "learnable_within": "placement.budget",
    "load": "exchange.loading",
    "load_data": "data",
    "load_profile": "profiles.profile",
    "open_device": "devices",
    "place": "compilers:place_network",
    "quantize": "quantizing.quantize",
    "read_netx": "exchange.netx.read",
    "run_float": "run.run_float",
    "scale_to_rate": "train.initial",
    "simulate": "sim.engine",
    "split_gap": "comparing.gap",
    "study": "studies.api",
    "train": "train.loop",
    "write_netx": "compilers.netx",
    "write_nir": "exchange.nir",
}

if TYPE_CHECKING:
    from hypr_neuro.bounds.check import check
    from hypr_neuro.comparing.compare import compare
    from hypr_neuro.comparing.diff import diff
    from hypr_neuro.comparing.gap import split_gap
    from hypr_neuro.comparing.side_by_side import compare_devices
    from hypr_neuro.compilers import compile_network as compile
    from hypr_neuro.compilers import place_network as place
    from hypr_neuro.compilers.lava.from_lava import from_lava
    from hypr_neuro.compilers.netx import write_netx
    from hypr_neuro.data import SequenceData, encode, load_data
    from hypr_neuro.devices import open_device
    from hypr_neuro.errors import HyprError
    from hypr_neuro.exchange.checkpoints import import_checkpoint
    from hypr_neuro.exchange.importing import import_file
    from hypr_neuro.exchange.loading import load
    from hypr_neuro.exchange.netx.read import read_netx
    from hypr_neuro.exchange.nir import import_nir, write_nir
    from hypr_neuro.graph.float_population import FloatPopulation
    from hypr_neuro.graph.float_synapses import FloatSynapses
    from hypr_neuro.graph.integer import IntegerNetwork, Population, Synapses
    from hypr_neuro.graph.network import Network
    from hypr_neuro.placement.budget import largest_networks, learnable_within
    from hypr_neuro.placement.complexity import complexity
    from hypr_neuro.placement.estimate import estimate_network as estimate
    from hypr_neuro.profiles.profile import Profile, load_profile
    from hypr_neuro.quantizing.network import QuantizedNetwork
    from hypr_neuro.quantizing.quantize import quantize
    from hypr_neuro.run.run_float import run_float
    from hypr_neuro.sim.engine import simulate
    from hypr_neuro.sim.learning.learn import LearnOptions, learn
    from hypr_neuro.sim.simulator import Simulator
    from hypr_neuro.studies.api import study
    from hypr_neuro.studies.widths import find_widths
    from hypr_neuro.traces.float_trace import float_trace
    from hypr_neuro.traces.trace import Trace
    from hypr_neuro.train.gradients import gradients
    from hypr_neuro.train.initial import scale_to_rate
    from hypr_neuro.train.loop import evaluate, train
    from hypr_neuro.train.quantized import QuantizationAware
    from hypr_neuro.workflow.chip_room import largest_on_chip

    __version__: str

__all__ = [
    "FloatPopulation",
    "FloatSynapses",
    "HyprError",
    "IntegerNetwork",
    "LearnOptions",
    "Network",
    "Population",
    "Profile",
    "QuantizationAware",
    "QuantizedNetwork",
    "SequenceData",
    "Simulator",
    "Synapses",
    "Trace",
    "__version__",
    "check",
    "compare",
    "compare_devices",
    "compile",
    "complexity",
    "diff",
    "encode",
    "estimate",
    "evaluate",
    "find_widths",
    "float_trace",
    "from_lava",
    "gradients",
    "import_checkpoint",
    "import_file",
    "import_nir",
    "largest_networks",
    "largest_on_chip",
    "learn",
    "learnable_within",
    "load",
    "load_data",
    "load_profile",
    "open_device",
    "place",
    "quantize",
    "read_netx",
    "run_float",
    "scale_to_rate",
    "simulate",
    "split_gap",
    "study",
    "train",
    "write_netx",
    "write_nir",
]


def _installed_version() -> str:
    """Return the version that pyproject.toml states, from the metadata of the installed package."""
    from importlib.metadata import version

    return version("hypr-neuro")


_NAMES_OF_0_1 = {
    "FloatGraph": "Network",
    "QuantizedGraph": "QuantizedNetwork",
    "graph_trace": "float_trace",
    "run_graph": "run_float",
}
_name_of_0_1 = renamed_names(__name__, _NAMES_OF_0_1)
_IN_MODULES = {
    "Loss": "train.losses",
    "RatePenalty": "train.losses",
    "Rule": "train.rules.base",
    "augment": "data.augment",
    "compile_network": "compilers",
    "dequantize": "quantizing.quantize",
    "online_gradients": "train.online",
    "quantize_graph": "quantizing.graph_quantize",
    "read_nir": "exchange.nir",
    "read_quantized_nir": "exchange.nir",
    "stream_gradients": "train.stream",
    "weight_ranges": "quantizing.quantize",
    "write_report": "report",
}
"""Names of 0.1 that now stand in their modules alone."""


class _LazyModule(ModuleType):
    """Load public names on first use, and keep modules of the same name, old names among them, from hiding them."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _MODULES and isinstance(value, ModuleType):
            return
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted(__all__)

    def __getattr__(self, name: str) -> Any:
        if name == "__version__":
            value: Any = _installed_version()
        elif name in _IN_MODULES:
            warn_renamed(f"{__name__}.{name}", f"{__name__}.{_IN_MODULES[name]}.{name}")
            return getattr(import_module(f"{__name__}.{_IN_MODULES[name]}"), name)
        elif name in _MODULES:
            module, _, attribute = _MODULES[name].partition(":")
            value = getattr(import_module(f"{__name__}.{module}"), attribute or name)
        else:
            return _name_of_0_1(name)
        super().__setattr__(name, value)
        return value


sys.modules[__name__].__class__ = _LazyModule
install()
