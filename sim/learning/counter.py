"""Who owns which words of the random counter: the third word of `numbers.fixed_point.draw32`, a tensor's number.

    0 ..     connections: 2 · layer, + 1 for the recurrent one
    1024 ..  neuron parameters, `PARAMETERS_OF_A_LAYER` a layer, by their place in the model's `trainable`
    2048 ..  fixed feedback weights, one a layer above
    4096 ..  noise on input currents, one a layer
    6144 ..  noise of eligibilities that are analog, `CURRENTS_OF_A_LAYER` a layer, by input current
    8192 ..  rounding of shadow weights in quantization-aware training, one an array
    16384 .. analog cells, `DRAWS_OF_A_CROSSBAR` a connection, see `crossbar.drawing`

So no two draws share a word as long as a network has `MOST_LAYERS` layers at most.
"""

from __future__ import annotations

PARAMETER_TENSORS = 1024
"""First number of neuron parameters."""
PARAMETERS_OF_A_LAYER = 16
"""Numbers that the parameters of one layer may take."""
FEEDBACK_TENSORS = 2048
"""First number of fixed feedback weights."""
NOISE_TENSORS = 4096
"""First number of noise."""
SHADOW_TENSORS = 8192
"""First number of shadow weights."""
ELIGIBILITY_TENSORS = 6144
"""First number of noise of analog eligibilities."""
CURRENTS_OF_A_LAYER = 8
"""Numbers that the input currents of one layer may take."""
CELL_TENSORS = 16384
"""First number of analog cells."""
DRAWS_OF_A_CROSSBAR = 16
"""Numbers that the cells of one connection may take."""
MOST_LAYERS = (FEEDBACK_TENSORS - PARAMETER_TENSORS) // PARAMETERS_OF_A_LAYER
"""Layers, the readout included, whose parameters have numbers before those of feedback weights."""
