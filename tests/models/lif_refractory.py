"""What tests know of `lif_refractory`, which has integers alone."""

from __future__ import annotations

from model_records import ModelRecord

from hypr_neuro.neurons.lif_refractory import lif_refractory_parameters

RECORD = ModelRecord(integers=lif_refractory_parameters(100, 100, 10, 2))
