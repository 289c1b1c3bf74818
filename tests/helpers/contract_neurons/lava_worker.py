"""The worker of `compilers.lava.learning`, to which the neurons of this folder are known."""

from __future__ import annotations

import sys
from pathlib import Path

from contract_neurons import models
from hypr_neuro.compilers.lava.learning.worker import main
from hypr_neuro.neurons import MODELS

if __name__ == "__main__":
    MODELS.update(models())
    main(Path(sys.argv[1]))
