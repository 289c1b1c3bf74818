"""What tests share: random networks and populations, comparisons whose failures arrive ready to debug."""

from hypr_neuro.renamed import renamed_names

_OF_NETWORKS = (
    "assert_equal_traces",
    "integer_models",
    "keep_case",
    "random_network",
    "random_quantized",
    "random_spikes",
    "spiking_models",
    "varied",
)
__getattr__ = renamed_names(__name__, {name: f"networks.{name}" for name in _OF_NETWORKS})
