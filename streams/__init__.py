"""First-party tunnels and schedules: a plugin with no privileges. Every public class of every module here."""

from typing import TYPE_CHECKING, Any

from plasticity import discover

globals().update(discover(__name__))

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
