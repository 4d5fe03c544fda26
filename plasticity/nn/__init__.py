"""Building blocks of strategies: reservoir, adapters, hidden units, linear inputs, vectors that descend, readouts."""
