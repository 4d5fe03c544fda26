"""Dashboards: wandb, and one that needs no account. Never the record of truth."""

from plasticity.tracking.config import Wandb, logged_in

__all__ = ["Wandb", "logged_in"]
