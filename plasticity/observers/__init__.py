"""Exact predictors: conjugate posteriors, the switching observer, and all that face every batch."""
