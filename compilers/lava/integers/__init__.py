"""Integer networks in Lava's own processes."""
