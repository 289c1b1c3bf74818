"""HYPR, hybrid propagation: forward gradients, the neurons' own states kept, everything between neurons cut.

ε_t = A_t ε_{t-1} + B_t ⊗ pre_t,    gradient Σ_t g_t (C_t ε_t + C'_t ε_{t-1}),    g_t = ∂L_t/∂z_t within step t
"""

from hypr_neuro.train.rules.base import Rule

RULE = Rule("hypr", source="Baronig, Bahariasl, Özdenizci, Legenstein 2025, arXiv 2506.14464")
