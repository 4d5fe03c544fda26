"""Condition: the state that a network is in while it learns, measured without touching it."""

from plasticity.diagnostics.config import Condition

__all__ = ["Condition"]
