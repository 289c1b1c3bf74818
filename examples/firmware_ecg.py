"""ECG on a microcontroller: train, make integers, compile to C99, run on an emulated Cortex-M4, compare every output.

    python examples/firmware_ecg.py FOLDER [OUT]    FOLDER holds QTDB_train.mat and QTDB_test.mat; some minutes
    python examples/firmware_ecg.py FOLDER --quick  one epoch on few samples

OUT (default runs/firmware_ecg) then holds network.h, network.c, hn_fixed.h and hn_neurons.h, all that firmware needs:

    #include "network.h"
    hn_reset();                              once before a recording
    hn_step(sample);                         HN_INPUTS integers, every time step
    const int32_t *scores = hn_output();     HN_OUTPUTS of them; the largest names the class

`make -C OUT board` builds it with arm-none-eabi-gcc, `make -C OUT emulate` runs it under qemu. Where one of these is
not installed, the same C runs on this computer.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import hypr_neuro as hn
from hypr_neuro.compilers.c import build
from hypr_neuro.workflow.stages import fit
from hypr_neuro.workflow.tasks import TASKS


def main(folder: str, out: Path, quick: bool) -> None:
    """Print accuracy, flash and RAM, and whether the C program's outputs equal the simulator's."""
    data, task = hn.load_data("ecg", folder), TASKS["ecg"]
    if quick:
        # one epoch is too short for a network that starts silent
        data, task = data.few(24), replace(task, start_rate=0.05)
    net, _ = fit(data, task, **({"epochs": 1} if quick else {}))
    qnet = hn.quantize(net, "cortex_m4", calibration=data)
    scores = [hn.evaluate(found, data).accuracy for found in (net, qnet)]
    print(f"accuracy in float {scores[0]:.1%}, in integers {scores[1]:.1%}")

    artifact = hn.compile(qnet, target="c", out=out)
    for name, entry in artifact.manifest["memory"].items():
        used = entry["bytes"]
        print(
            f"{name:9} {entry['flags']}: "
            + (f"{used['flash']} bytes of flash, {used['ram']} of RAM" if used else str(entry["reason"]))
        )

    samples = data.part("test").x[: 1 if quick else 5].astype(np.int64)
    toolchain = build.CORTEX_M4 if shutil.which(build.EMULATOR) and not build.CORTEX_M4.missing() else build.HOST
    if toolchain.missing():
        print(f"not run: {toolchain.missing()}")
        return
    program = build.build(artifact.folder, toolchain)
    printed = build.run(program, list(samples))
    steps = [len(sample) + qnet.tail for sample in samples]
    got = np.stack([rows[qnet.tail :] for rows in build.outputs(printed, steps)])
    expected = hn.simulate(qnet, samples).readout
    differ = np.count_nonzero(got != expected)
    print(f"{toolchain.name}: {differ} of {expected.size} outputs differ from the simulator's")
    if differ:
        sys.exit("the C program and the simulator differ")
    if toolchain is build.CORTEX_M4:
        count = build.instructions_per_step(artifact.folder, list(samples[:1]), qnet.tail)
        print(f"{count:.0f} instructions a step, {count / 100e3:.2f} ms or more at 100 MHz")


if __name__ == "__main__":
    words = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if not 1 <= len(words) <= 2:
        sys.exit(__doc__)
    main(words[0], Path(words[1] if len(words) > 1 else "runs/firmware_ecg"), "--quick" in sys.argv)
