"""Dashboards: wandb, and one that needs no account. Never the record of truth."""

from plasticity.results.stretches import Stretches
from plasticity.tracking.logger import Wandb, finish, logged_in

__all__ = ["Stretches", "Wandb", "finish", "logged_in"]
