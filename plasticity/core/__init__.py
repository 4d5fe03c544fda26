"""Contracts: what a tunnel, stream, network, strategy, learner, detector and optimizer are."""
