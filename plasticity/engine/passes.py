"""Passes: how many symbols go through networks, forward and backward, as measured while a learner learns."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from plasticity.core.network import Network
from plasticity.engine.learner import OnlineLearner


class Passes:
    """Counts from when it is made until `stop`: positions times rows of every call of a network, whoever calls it.

    The networks are the learner's and those that its strategy holds; a copy made meanwhile counts with its original.
    A backward pass counts where a gradient reaches the logits, as often as one does. Nothing is counted where torch
    compiles the network, for what it compiled calls no hook in time.

    Args:
        learner: whose.
    """

    def __init__(self, learner: OnlineLearner):
        self.forward = self.backward = 0
        networks = [each for each in learner.modules() if isinstance(each, Network)]
        note = self._noting()
        self._handles: list[RemovableHandle] = [
            each.register_forward_hook(note) for each in networks
        ]

    def stop(self) -> tuple[int, int]:
        """Count no more; what went forward, and backward."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        return self.forward, self.backward

    def _noting(self) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        """The hook: a function, which a copy of the network shares; a method would be copied with all it holds."""

        def note(network: nn.Module, given: tuple[Tensor, ...], logits: Tensor) -> None:
            size = logits.shape[:-1].numel()
            self.forward += size

            def back(gradient: Tensor) -> None:
                self.backward += size

            if logits.requires_grad:
                logits.register_hook(back)

        return note
