"""Learning in Lava's processes: the network, its schedule, arrays, kernels and worker."""
