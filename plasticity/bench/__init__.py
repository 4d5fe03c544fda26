"""The flagship benchmark: a suite of worlds, every strategy tuned alike, one leaderboard."""
