"""Whether a network fits a chip: cores, memory of inference and of learning, costs."""
