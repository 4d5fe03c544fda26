"""Launching: experiments, validation, runs, cells, executors, sweeps, restored checkpoints."""
