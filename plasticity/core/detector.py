"""Detector: notices that the world changed, from the learner's own loss."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from plasticity.core.bounded import Count, Fraction, NonNegative, Positive


class Detector(nn.Module):
    """Watches the loss of every step, and says when it rose more than chance explains.

    It is given one loss per step whatever `updates` says, the mean over the step's asked positions, once the last of
    them is predicted; so what it counts in steps is in steps of the stream. Where a step is learned from in pieces, all
    but the last piece were learned from by then. A loss that falls is learning and no alarm. What it remembers is in
    its state dict, and so in checkpoints.
    """

    @abstractmethod
    def update(self, loss: float) -> bool:
        """Whether this step's loss (nats per asked position, predicted before it was learned) raises the alarm."""


class _River(Detector):
    """A drift detector of river's."""

    state: Any

    def get_extra_state(self) -> dict[str, Any]:
        """The detector's numbers, by name."""
        return _numbers(self.state)

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take up where the checkpoint was written."""
        _take(self.state, state)


def _numbers(part: Any) -> Any:
    """What an object of river's counts: its plain values; of a part in Rust, the bytes that it makes of its numbers."""
    if isinstance(state := part.__getstate__(), bytes):
        return torch.tensor(list(state), dtype=torch.uint8)
    plain = bool, int, float, str
    own = {name: value for name, value in vars(part).items() if not callable(value)}
    return {k: v if isinstance(v, plain) else _numbers(v) for k, v in own.items()}


def _take(part: Any, state: Any) -> None:
    """Put back what `_numbers` said."""
    if isinstance(state, Tensor):
        part.__setstate__(bytes(state.tolist()))
        return
    for name in vars(part).keys() & state.keys():
        if isinstance(state[name], dict | Tensor):
            _take(getattr(part, name), state[name])
        else:
            setattr(part, name, state[name])


class PageHinkley(_River):
    """The loss has risen above its running mean: a sequential test of a mean that jumps.

    m_t = sum_{i<=t} (x_i - mean_i - delta); alarm: m_t - min_{s<=t} m_s > threshold   (Page 1954)

    After an alarm it begins anew. Losses that only scatter, independently and by s (standard deviation), raise at most
    about 2 delta^2 / (s^2 (e^a - 1 - a)) false alarms per step, a = 2 delta threshold / s^2 (Siegmund 1985): by
    default one in 600 steps at s = 0.1, but one in 36 at 0.2. Take a threshold that suits what a loss scatters.

    Args:
        delta: rise per step that is no alarm, in nats per asked position.
        threshold: of the accumulated rise, in nats per asked position times steps.
        wait: steps from the beginning, or from an alarm, to the next alarm at the earliest.
    """

    def __init__(self, delta: NonNegative = 0.02, threshold: Positive = 1.0, wait: Count = 20):
        super().__init__()
        self.delta, self.threshold, self.wait = delta, threshold, wait
        # alpha=1: the running mean of all since the last alarm; river's 0.9999 forgets the sum
        from river import drift  # here: it takes as long as torch, and few runs need it

        self.state = drift.PageHinkley(wait, delta, threshold, alpha=1.0, mode="up")

    def update(self, loss: float) -> bool:
        """Whether the accumulated rise is above the threshold."""
        self.state.update(loss)
        return bool(self.state.drift_detected)


class ADWIN(_River):
    """The recent losses' mean is above that of the losses before: a window that shrinks when it must.

    Some cut of the window has |mean_0 - mean_1| >= epsilon_cut(delta)   (Bifet & Gavalda 2007, theorem 3.1)

    Needs no scale, and is slower than Page-Hinkley where that has the right one.

    Args:
        delta: probability of a false alarm, at each look.
        clock: steps between looks.
    """

    def __init__(self, delta: Fraction = 0.002, clock: Count = 1):
        super().__init__()
        self.delta, self.clock = delta, clock
        from river import drift  # here: it takes as long as torch, and few runs need it

        self.state = drift.ADWIN(delta, clock=clock)

    def update(self, loss: float) -> bool:
        """Whether the window was cut, and what is left of it is worse than what was dropped."""
        before = self.state.estimation
        self.state.update(loss)
        return bool(self.state.drift_detected and self.state.estimation > before)
