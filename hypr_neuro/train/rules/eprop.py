"""e-prop: the readout's error, fed straight back to each layer, times an eligibility filtered as the readout does.

    ē_t = κ ē_{t-1} + (1-κ)(C_t ε_t + C'_t ε_{t-1}),    gradient Σ_t (M ∂L_t/∂o_t) ē_t

κ is the mean of the readout's leaks. M is the readout's weights (symmetric feedback) for the layer below it, a fixed
random matrix for every other layer, or random for all. The signal of a rate penalty takes the error's way, filter
included.
"""

from hypr_neuro.train.rules.base import Rule

RULE = Rule("eprop", source="Bellec et al. 2020, Nature Communications 11, 3625", error_feedback=True)
