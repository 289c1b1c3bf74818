"""OSTL, online spatio-temporal learning, without its recurrent H term: HYPR plus the neuron's own spike.

ε_t = A_t ε_{t-1} + D_t (C_{t-1} ε_{t-1} + C'_{t-1} ε_{t-2}) + B_t ⊗ pre_t
"""

from hypr_neuro.train.rules.base import Rule

RULE = Rule("ostl", source="Bohnstingl, Woźniak, Pantazi, Eleftheriou 2022, arXiv 2007.12723", own_spike=True)
