"""Studies: the tunnel table, predictive matrices of a single network, token maps of a language model."""
