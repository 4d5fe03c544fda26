"""Pages: the report of a run (a section is a function in sections.py, folded in details.py), comparisons, verdicts."""
