"""Dashboards: wandb, and one that needs no account. Never the record of truth."""

from plasticity.tracking.logger import Wandb, finish, logged_in
from plasticity.tracking.stretches import Stretches

__all__ = ["Stretches", "Wandb", "finish", "logged_in"]
