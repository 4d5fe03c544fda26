"""Condition: the state that a network is in while it learns, measured without touching it."""

from plasticity.diagnostics.callback import ConditionRecorder
from plasticity.diagnostics.diagnostics import Condition, Start

__all__ = ["Condition", "ConditionRecorder", "Start"]
