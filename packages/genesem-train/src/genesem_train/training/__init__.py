"""The training loop and what keeps it safe: checkpoints, interrupts, repeatability, several processes."""
