"""Pages: the report of a run (a section is a function in sections.py, or folded in details.py), comparisons, verdicts."""
