"""Configuration of tracking: how a run reports to wandb. No Lightning, and wandb only where an account is asked for."""

import os
from typing import Literal

from plasticity.core.bounded import NonNegative


class Wandb:
    """How a run reports to wandb.

    Args:
        mode: offline (a run prints the line that uploads it later), online, or disabled.
        project: wandb project.
        entity: wandb team or user; null: the account's default.
        checkpoint: the largest last checkpoint that is kept as an artifact, in megabytes; 0: none.
    """

    def __init__(
        self,
        mode: Literal["offline", "online", "disabled"] = "offline",
        project: str = "plasticity",
        entity: str | None = None,
        checkpoint: NonNegative = 32.0,
    ):
        self.mode: Literal["offline", "online", "disabled"] = mode
        self.project, self.entity, self.checkpoint = project, entity, checkpoint

    def lack(self) -> tuple[str, str] | None:
        """What this machine lacks, as (argument, what was expected); None: nothing."""
        if self.mode != "online" or logged_in():
            return None
        return "mode", "expected offline, got online: nobody is logged in, see `wandb login`"


def logged_in() -> bool:
    """Whether wandb knows an account here; it asks nobody."""
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    return bool(wandb.login(prompt=False))
