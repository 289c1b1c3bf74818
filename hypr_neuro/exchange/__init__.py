"""Files of other programs, in and out: NIR, lava-dl's netx, checkpoints."""
