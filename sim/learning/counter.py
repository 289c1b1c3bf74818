"""Who owns which words of the random counter: the third word of `numbers.fixed_point.draw32`, a tensor's number.

    0 ..     connections: 2 · layer, + 1 for the recurrent one
    1024 ..  neuron parameters, `PARAMETERS_OF_A_LAYER` a layer, by their place in the model's `trainable`
    2048 ..  fixed feedback weights, one a layer above
    4096 ..  noise on input currents, one a layer
    8192 ..  rounding of shadow weights in quantization-aware training, one an array

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
MOST_LAYERS = (FEEDBACK_TENSORS - PARAMETER_TENSORS) // PARAMETERS_OF_A_LAYER
"""Layers, the readout included, whose parameters have numbers before those of feedback weights."""
