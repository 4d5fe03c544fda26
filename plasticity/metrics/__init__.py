"""Metrics: pure functions of the step and probe tables. No torch."""
