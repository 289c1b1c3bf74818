"""Float training: gradients by learning rules, losses, optimizers, epochs and checkpoints."""
