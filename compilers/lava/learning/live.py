"""A network that learns under Lava and waits, between runs of `RunSteps`, for what comes next; inside the worker.

Lava's runtime stays alive. Its `Var.get` and `Var.set` move one number at a time, so what comes and goes lies in files
that the processes map (`live_schedule`) or write after the last step of a run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.learning.kernels import load_kernels
from hypr_neuro.compilers.lava.learning.live_schedule import COLUMNS, ROWS, Live
from hypr_neuro.compilers.lava.learning.network import check_learning, learning_network
from hypr_neuro.compilers.lava.learning.records import record_paths
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions


class LiveNetwork:
    """A network in Lava that goes on step by step.

    Parameters
    ----------
    qnet, options
        What learns, and how.
    folder
        For its files; they are its own.
    on_sign
        Called while it is made, as a sign of life.
    """

    def __init__(
        self, qnet: QuantizedNetwork, options: LearnOptions, folder: Path, on_sign: Callable[[], None]
    ) -> None:
        from hypr_neuro.compilers.lava.processes.fed import FedRows

        plan = check_learning(qnet, options)
        told = 2 if plan.options.targets == "labels" else plan.qnet.output_size + 1
        widths = {"x": qnet.inputs, "told": told, "outputs": plan.qnet.output_size}
        self._files = {name: _mapped(folder / f"{name}.npy", (ROWS, n), np.int32) for name, n in widths.items()}
        self._files["control"] = _mapped(folder / "control.npy", (ROWS, COLUMNS), np.int64)
        live = Live(folder / "control.npy", folder / "outputs.npy", record_paths(plan, folder, "held"))
        built = learning_network(qnet, options, np.zeros((1, 2)), 1, live=live)
        load_kernels(plan)
        on_sign()
        self._sources = [FedRows(folder / f"{name}.npy", ROWS, widths[name]) for name in ("x", "told")]
        built.feed(self._sources[0].s_out)
        self._sources[1].s_out.connect(built.label_in)
        self._processes, self._done, self._config = [*self._sources, *built.processes], 0, None

    def run(self, x: Array, told: Array, control: Array, on_block: Callable[[int, int], None]) -> Array:
        """Go on for some steps; return the readout (step, outputs) of each.

        x (step, inputs), told (step, numbers) as `LavaLearningNetwork.label_in`, control as of `control_rows`
        """
        from lava.magma.core.run_conditions import RunSteps

        rows, outputs = {"x": x, "told": told, "control": control}, np.zeros((len(x), self._width), np.int32)
        for start in range(0, len(x), ROWS):
            stop = min(start + ROWS, len(x))
            places = np.arange(self._done, self._done + stop - start) % ROWS
            for name, given in rows.items():
                self._files[name][places] = given[start:stop]
            self._sources[0].run(condition=RunSteps(num_steps=stop - start), run_cfg=self._run_config())
            outputs[start:stop] = self._files["outputs"][places]
            self._done += stop - start
            on_block(stop, len(x))
        return outputs

    @property
    def _width(self) -> int:
        width: int = self._files["outputs"].shape[1]
        return width

    def _run_config(self) -> Any:
        """Return Lava's run configuration, with the model of each process."""
        from lava.magma.core.run_configs import Loihi2SimCfg

        from hypr_neuro.compilers.lava.processes import learning_models as models
        from hypr_neuro.compilers.lava.processes.fed import PyFedRows

        if self._config is None:
            known = {
                "FedRows": PyFedRows,
                "LearningNeurons": models.PyLearningNeurons,
                "LearningSynapses": models.PyLearningSynapses,
                "ErrorUnits": models.PyErrorUnits,
            }
            # Lava's search through the files of a folder gives the same models, slowly
            chosen = {process: known[type(process).__name__] for process in self._processes}
            self._config = Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=chosen)
        return self._config


def _mapped(path: Path, shape: tuple[int, ...], dtype: Any) -> Any:
    """Make a file of zeros and map it."""
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
