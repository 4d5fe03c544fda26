"""Studies: the tunnel table, and predictive matrices of a single network."""
