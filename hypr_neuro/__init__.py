"""hypr-neuro: recurrent spiking networks from float HYPR training to integers on neuromorphic chips.

Public names are loaded when they are first used, so that importing the package stays quick.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "FloatGraph": "float_graph",
    "FloatPopulation": "float_graph",
    "FloatSynapses": "float_graph",
    "IntegerNetwork": "integer",
    "LearnOptions": "sim.learn",
    "Network": "network",
    "Population": "integer",
    "Profile": "profile",
    "QuantizedGraph": "graph_quantize",
    "QuantizedNetwork": "quantize",
    "RatePenalty": "train.gradients",
    "SequenceData": "data",
    "Simulator": "sim.simulator",
    "Synapses": "integer",
    "Trace": "sim.trace",
    "augment": "data.augment",
    "compare": "compare",
    "compile": "compilers:compile_network",
    "compile_network": "compilers",
    "dequantize": "quantize",
    "diff": "diff",
    "encode": "data",
    "evaluate": "train.loop",
    "float_trace": "sim.float_trace",
    "from_lava": "compilers.lava.from_lava",
    "gradients": "train.gradients",
    "graph_trace": "sim.graph_trace",
    "import_checkpoint": "checkpoints",
    "import_file": "importing",
    "import_nir": "nir_io",
    "learn": "sim.learn",
    "load_data": "data",
    "load_profile": "profile",
    "open_device": "hil",
    "place": "place",
    "quantize": "quantize",
    "quantize_graph": "graph_quantize",
    "read_netx": "netx.read",
    "read_nir": "nir_io",
    "read_quantized_nir": "nir_io",
    "run_graph": "graph_forward",
    "scale_to_rate": "train.initial",
    "simulate": "sim.engine",
    "stream_gradients": "train.stream",
    "train": "train.loop",
    "weight_ranges": "quantize",
    "write_netx": "compilers.netx",
    "write_nir": "nir_io",
    "write_report": "report",
}

if TYPE_CHECKING:
    from hypr_neuro.checkpoints import import_checkpoint
    from hypr_neuro.compare import compare
    from hypr_neuro.compilers import compile_network
    from hypr_neuro.compilers import compile_network as compile
    from hypr_neuro.compilers.lava.from_lava import from_lava
    from hypr_neuro.compilers.netx import write_netx
    from hypr_neuro.data import SequenceData, encode, load_data
    from hypr_neuro.data.augment import augment
    from hypr_neuro.diff import diff
    from hypr_neuro.float_graph import FloatGraph, FloatPopulation, FloatSynapses
    from hypr_neuro.graph_forward import run_graph
    from hypr_neuro.graph_quantize import QuantizedGraph, quantize_graph
    from hypr_neuro.hil import open_device
    from hypr_neuro.importing import import_file
    from hypr_neuro.integer import IntegerNetwork, Population, Synapses
    from hypr_neuro.network import Network
    from hypr_neuro.netx.read import read_netx
    from hypr_neuro.nir_io import import_nir, read_nir, read_quantized_nir, write_nir
    from hypr_neuro.place import place
    from hypr_neuro.profile import Profile, load_profile
    from hypr_neuro.quantize import QuantizedNetwork, dequantize, quantize, weight_ranges
    from hypr_neuro.report import write_report
    from hypr_neuro.sim.engine import simulate
    from hypr_neuro.sim.float_trace import float_trace
    from hypr_neuro.sim.graph_trace import graph_trace
    from hypr_neuro.sim.learn import LearnOptions, learn
    from hypr_neuro.sim.simulator import Simulator
    from hypr_neuro.sim.trace import Trace
    from hypr_neuro.train.gradients import RatePenalty, gradients
    from hypr_neuro.train.initial import scale_to_rate
    from hypr_neuro.train.loop import evaluate, train
    from hypr_neuro.train.stream import stream_gradients

__all__ = [
    "FloatGraph",
    "FloatPopulation",
    "FloatSynapses",
    "IntegerNetwork",
    "LearnOptions",
    "Network",
    "Population",
    "Profile",
    "QuantizedGraph",
    "QuantizedNetwork",
    "RatePenalty",
    "SequenceData",
    "Simulator",
    "Synapses",
    "Trace",
    "__version__",
    "augment",
    "compare",
    "compile",
    "compile_network",
    "dequantize",
    "diff",
    "encode",
    "evaluate",
    "float_trace",
    "from_lava",
    "gradients",
    "graph_trace",
    "import_checkpoint",
    "import_file",
    "import_nir",
    "learn",
    "load_data",
    "load_profile",
    "open_device",
    "place",
    "quantize",
    "quantize_graph",
    "read_netx",
    "read_nir",
    "read_quantized_nir",
    "run_graph",
    "scale_to_rate",
    "simulate",
    "stream_gradients",
    "train",
    "weight_ranges",
    "write_netx",
    "write_nir",
    "write_report",
]


class _LazyModule(ModuleType):
    """Submodules named like a public function (`hypr_neuro.compare`) must not hide it once they are imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _WHERE and getattr(value, "__name__", "") == f"{__name__}.{name}":
            return
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted(__all__)

    def __getattr__(self, name: str) -> Any:
        if name not in _WHERE:
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
        where, _, attribute = _WHERE[name].partition(":")
        value = getattr(import_module(f"{__name__}.{where}"), attribute or name)
        super().__setattr__(name, value)
        return value


sys.modules[__name__].__class__ = _LazyModule
