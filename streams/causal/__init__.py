"""Causal worlds: structural causal models, interventions, counterfactuals, revised graphs."""
