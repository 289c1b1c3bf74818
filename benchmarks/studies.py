"""What a study costs beside its trials, and what a second worker gains.

    python benchmarks/studies.py [--quick]

1. A study of trials that are nearly nothing: wall time beside their own seconds, a trial.
2. A folder of 10,000 finished trials: seconds of `status` and of `table`.
3. Two workers against one, with trials of about a second, without the start of the cluster; beside it what the machine
   gives two processes that run the same trials without any coordinator: the limit. Several times, the three in turn,
   because whatever else runs there counts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

import hypr_neuro as hn
from hypr_neuro.studies.coordinator import THREADS, run, workers_of
from hypr_neuro.studies.plan import StudyPlan, prepare
from hypr_neuro.studies.spec import parse_study
from hypr_neuro.studies.work import Job, run_trial

STEPS, CHANNELS = 20, 6
FIGURES = ("accuracy", "test accuracy", "float accuracy", "agreement", "saturations", "weights saturated", "clips")
FIGURES += ("rate", "clipped", "zeroed", "cores", "memory bits", "energy nJ", "time us", "learning energy nJ")


def inputs_in(folder: Path) -> dict[str, Any]:
    """Write a network of five neurons and its data; what a study says of them."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for part, count in (("train", 24), ("validation", 8), ("test", 8)):
        y = np.arange(count) % 2
        share = np.where(np.arange(CHANNELS) % 2 == y[:, None], 0.5, 0.05)
        arrays |= {f"x_{part}": (rng.random((count, STEPS, CHANNELS)) < share[:, None]).astype(np.int8), f"y_{part}": y}
    np.savez(folder / "two.npz", **arrays)
    net = hn.Network.build({"inputs": CHANNELS, "outputs": 2, "layers": [{"neuron": "lif", "size": 5}]}, seed=1)
    hn.scale_to_rate(net, hn.load_data(str(folder / "two.npz")).part("train").x, 0.1)
    net.save(folder / "network.h5")
    return {"data": str(folder / "two.npz"), "network": str(folder / "network.h5")}


def plan_in(folder: Path, **what: Any) -> StudyPlan:
    """Make a study's folder, in which nothing ran yet."""
    plan = prepare(parse_study(what, "study"), folder)
    plan.folder.open(plan.study)
    return plan


def taken(call: Callable[[], object]) -> float:
    """Seconds of a call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def overhead(folder: Path, inputs: dict[str, Any], trials: int) -> None:
    """Wall time of a whole command on one worker beside the seconds that its trials took themselves."""
    vary = {"weight_bits": {"from": 2, "to": 16}, "state_bits": {"from": 12, "to": 31}}
    plan = plan_in(folder / "small", run="quantize", vary=vary, trials=trials, **inputs)
    words = ["study", "run", str(folder / "small/study.yaml"), "--out", str(folder / "small"), "--workers", "1"]
    seconds = taken(lambda: command(*words))
    work = sum(plan.folder.seconds(t) for t in plan.trials)
    print(f"{trials} trials of {work / trials:.3f} s: {(seconds - work) / trials:.3f} s a trial beside the work")


def command(*words: str) -> None:
    """Run the program in a process of its own."""
    subprocess.run([sys.executable, "-m", "hypr_neuro", *words], check=True, capture_output=True)


def many(folder: Path, inputs: dict[str, Any], trials: int) -> None:
    """Seconds of status and table with so many finished trials, of three seeds each."""
    vary: dict[str, Any] = {"weight_bits": {"from": 2, "to": 16}, "learning.eligibility_bits": {"from": 8, "to": 32}}
    vary["learn.rate"] = [round(0.01 * k, 2) for k in range(1, 10)]
    plan = plan_in(folder / "many", run="learn", vary=vary, seeds=3, trials=-(-trials // 3), **inputs)
    for trial in plan.trials:
        plan.folder.keep(trial, dict.fromkeys(FIGURES, trial.number % 11 / 11), 0.1)
    for action in ("status", "table"):
        seconds = min(taken(lambda a=action: command("study", a, str(folder / "many"))) for _ in range(3))
        print(f"{len(plan.trials)} finished trials: study {action} {seconds:.2f} s")


def workers(folder: Path, trials: int, times: int) -> None:
    """Print rates of one worker, of two, and of two processes that run the trials without a coordinator."""
    what = {"run": "quantize", "data": "digits", "vary": {"weight_bits": {"from": 2, "to": 16}}}
    net = hn.Network.build({"inputs": 64, "outputs": 10, "layers": [{"neuron": "brf", "size": 768}]}, seed=1)
    net.save(folder / "large.h5")
    for attempt in range(times):
        plan = plan_in(folder / f"of {attempt}", network=str(folder / "large.h5"), trials=trials, seeds=2, **what)
        count = len(plan.trials)
        (one, _), (two, own) = (coordinated(folder / f"{n} of {attempt}", plan, n) for n in (1, 2))
        alone, together = (side_by_side(plan, n) for n in (1, 2))
        print(
            f"two workers {one / two:.2f} times as fast as one ({one / count:.2f} s a trial); two processes side by "
            f"side {alone / together:.2f} times as fast as one ({alone / count:.2f} s a trial); the coordinator takes "
            f"{1000 * own / count:.0f} ms of a processor a trial"
        )


def coordinated(folder: Path, plan: StudyPlan, count: int) -> tuple[float, float]:
    """Seconds of a study on so many workers, each of which ran a trial before, and the coordinator's own ones."""
    mine = plan_in(folder, **plan.study.model_dump(mode="json", by_alias=True))
    warm = Job.of(mine.study, mine.trials[0].settings, 0)
    with workers_of(count) as client:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sending large graph", category=UserWarning)
            for worker in client.scheduler_info()["workers"]:
                client.submit(run_trial, warm, mine.data, mine.network, workers=[worker], pure=False).result()
        own = time.process_time()
        seconds = taken(lambda: run(mine, client, lambda *_: None))
        return seconds, time.process_time() - own


def side_by_side(plan: StudyPlan, count: int) -> float:
    """Seconds of the trials split among processes that do not talk, likewise."""
    context = get_context("spawn")
    ready, done = context.Barrier(count + 1), context.Barrier(count + 1)
    processes = [context.Process(target=_share, args=(plan, i, count, ready, done)) for i in range(count)]
    for process in processes:
        process.start()
    ready.wait()
    seconds = taken(done.wait)
    for process in processes:
        process.join()
    return seconds


def _share(plan: StudyPlan, first: int, count: int, ready: Any, done: Any) -> None:
    jobs = [plan.job(t) for t in plan.trials]
    run_trial(jobs[0], plan.data, plan.network)
    ready.wait()
    for job in jobs[first::count]:
        run_trial(job, plan.data, plan.network)
    done.wait()


def studies(quick: bool) -> None:
    """Run all of it in a folder that is gone afterwards."""
    os.environ.update(THREADS)  # as workers have them
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = inputs_in(folder)
        overhead(folder, inputs, 20 if quick else 200)
        many(folder, inputs, 300 if quick else 10_000)
        workers(folder, 4 if quick else 14, 1 if quick else 3)


if __name__ == "__main__":
    studies("--quick" in sys.argv[1:])
