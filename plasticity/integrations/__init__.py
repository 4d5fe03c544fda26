"""Bridges to other libraries: Avalanche."""
