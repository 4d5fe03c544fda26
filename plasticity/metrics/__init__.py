"""Metrics: pure functions of the step and probe tables, each with its entry in the glossary by `@formula`. No torch."""
