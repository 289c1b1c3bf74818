"""The rate to learn at where none is given, for `learn` and `compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypr_neuro.cli.console import RichConsole

if TYPE_CHECKING:
    from hypr_neuro.data.sequence import SequenceData
    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.quantizing.network import QuantizedNetwork
    from hypr_neuro.sim.learning.options import LearnOptions
    from hypr_neuro.sim.learning.search_rate import RateSearch


def searched_rate(
    folder: RunFolder, qnet: QuantizedNetwork, data: SequenceData, options: LearnOptions, json: bool
) -> tuple[float, RateSearch | None]:
    """Find a rate on training samples, unless the folder remembers it, and print what was tried."""
    from hypr_neuro.workflow.found_rate import found_rate

    with RichConsole(quiet=json).progress("find a rate") as advance:
        rate, search = found_rate(folder, qnet, data, options, lambda done, total: advance(done, total, "rates"))
    if search is not None and not json:
        print(search.told())
    return rate, search
