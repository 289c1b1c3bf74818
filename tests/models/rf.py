"""What tests know of `rf`, which has integers alone."""

from __future__ import annotations

from model_records import ModelRecord

from hypr_neuro.neurons.rf import rf_parameters

RECORD = ModelRecord(integers=rf_parameters(9, 0.1, 20, state_exp=6))
