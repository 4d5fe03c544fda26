"""Studies: the tunnel table, hybrids of a network and an exact model, predictive matrices, token maps."""
