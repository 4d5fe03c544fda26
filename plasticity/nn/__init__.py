"""Building blocks of strategies: reservoir, low-rank adapters, hidden units, linear inputs, vectors that descend."""
