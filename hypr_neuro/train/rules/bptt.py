"""BPTT, backpropagation through time: every path, so the whole sequence is kept in memory.

∂L/∂z_t = (∂L/∂z_t within step t) + Vᵀ B_{t+1}ᵀ r_{t+1} + D_{t+1} · r_{t+1},    r_t = ∂L/∂s_t
"""

from hypr_neuro.train.rules.base import Rule

RULE = Rule("bptt", source="Werbos 1990", own_spike=True, recurrent=True, above=True)
