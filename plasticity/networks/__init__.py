"""Networks: causal sequence models over symbols, and a control that cannot see the past."""

from typing import TYPE_CHECKING, Any

from plasticity.config.plugins import discover

globals().update(discover(__name__))

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
