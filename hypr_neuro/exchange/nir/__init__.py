"""Networks as NIR graphs, the exchange format of Norse, snnTorch, Sinabs, Rockpool, Lava and others.

`write_nir` writes nodes of the standard, which any NIR reader can run, and in the nodes' metadata all that `read_nir`
needs to rebuild the network exactly. `import_nir` reads any graph, of any program; `read_nir` ours, and those
that are a chain of layers. A quantized network is written as the float network that its integers stand
for; `read_quantized_nir` gives the integers back.

Source: Pedersen et al. 2024, Nature Communications, doi 10.1038/s41467-024-52259-9; package `nir`.
"""

from hypr_neuro.exchange.nir.imported import Imported
from hypr_neuro.exchange.nir.read import import_nir, is_own, read_nir, read_own
from hypr_neuro.exchange.nir.read_integers import holds_integers, read_quantized_nir
from hypr_neuro.exchange.nir.summary import ImportSummary
from hypr_neuro.exchange.nir.write import NirSummary, to_graph, write_nir

__all__ = [
    "ImportSummary",
    "Imported",
    "NirSummary",
    "holds_integers",
    "import_nir",
    "is_own",
    "read_nir",
    "read_own",
    "read_quantized_nir",
    "to_graph",
    "write_nir",
]
