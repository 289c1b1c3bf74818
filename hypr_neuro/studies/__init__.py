"""Studies: one network at many settings, each trial in a folder of its own, on one machine or a cluster."""
