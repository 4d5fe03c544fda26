"""Condition: the state that a network is in while it learns, measured without touching it."""

from plasticity.condition.condition import Condition, Start
from plasticity.condition.recorder import ConditionRecorder

__all__ = ["Condition", "ConditionRecorder", "Start"]
