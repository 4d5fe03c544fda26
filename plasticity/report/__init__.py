"""Pages: the report of a run, comparisons of runs, and their verdicts."""
