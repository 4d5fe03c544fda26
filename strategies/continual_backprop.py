"""Continual backpropagation: the hidden units of least utility are reinitialised."""

import torch
from torch import Tensor

from plasticity import (
    Batch,
    Fraction,
    HiddenUnits,
    Learner,
    Natural,
    Positive,
    Strategy,
    activations,
    hidden_units,
)


class ContinualBackprop(Strategy):
    """Continual backpropagation: beside gradient descent, a trickle of fresh units takes the place of useless ones.

    u <- decay u + (1 - decay) E|h| sum|w_out|,  compared as u / (1 - decay^age); each layer's count of units due
    grows by rate x (units older than `maturity`) a step; so many of those of least u, in whole units, begin anew:
    incoming weights redrawn, outgoing weights 0, and what the unit said on average (mean of h, as u is a mean,
    times w_out) goes to the bias that follows. Age, u, mean and the optimizer's moments become 0.
    (Dohare et al. 2021, arXiv 2108.06325; 2024, Nature 632. The authors' code clears the mean before it is given.)

    h is of all positions of the batch that is learned from, before the step; w_out of after. Adam's count of
    steps is shared by a whole parameter and stays, so that a fresh unit's first steps are about three times as long.
    Layers say themselves what their units are (`declare_units`). Those that do not are left alone, and those of
    which a weight is not trained (all, beside LoRA).

    | layer | unit | departs from the above |
    |---|---|---|
    | Feedforward | hidden channel | no |
    | attention | channel of the values | no bias follows: the mean is lost |
    | LSTM | cell | the residual stream adds 1 to sum|w_out|, and its share of the mean is lost; what enters the cell |
    | | | (g) becomes 0 with w_out, so that the stream hears nothing; the three gates are redrawn |
    | Mamba | inner channel | the gate z becomes 0 in place of w_out; no bias follows: the mean is lost |
    | gated delta | channel of the values | what is stored of it becomes 0 in place of w_out; the mean is lost |

    Cost per step: forward + backward + one forward without gradient. Memory: five numbers per unit.

    Args:
        rate: share of the mature units that is replaced, per step.
        decay: of utility and mean, per step.
        maturity: steps before a unit can be replaced.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"rate": 0.0}
    now: Tensor
    trace: Tensor
    age: Tensor
    due: Tensor

    def __init__(
        self,
        rate: Fraction = 1e-4,
        decay: Fraction = 0.99,
        maturity: Natural = 100,
        lr: Positive | None = None,
    ):
        super().__init__(lr)
        self.rate, self.decay, self.maturity = rate, decay, maturity

    def idle(self, steps: int | None, shifts: bool, updates: int = 1) -> str | None:
        """Where no unit comes due, too."""
        if why := super().idle(steps, shifts, updates):
            return why
        if steps is None:
            return None
        due = self.rate * max(self.sizes, default=0) * max(steps * updates - self.maturity, 0)
        return None if due >= 1 else f"rate: {due:.2g} units come due in {steps} steps: none"

    def attach(self, learner: Learner) -> None:
        """Find the units; all are new."""
        self.groups: list[HiddenUnits] = hidden_units(learner.network, learner.trainable())
        if self.rate and not self.groups:
            raise ValueError(
                "ContinualBackprop: expected hidden units whose weights are all trained, "
                f"{type(learner.network).__name__} has none here; do not put it beside LoRA"
            )
        self.sizes = [group.number for group in self.groups]
        self.register_buffer("now", torch.zeros(2, sum(self.sizes)))  # E|h|, E h
        self.register_buffer("trace", torch.zeros(2, sum(self.sizes)))  # utility, mean
        self.register_buffer("age", torch.zeros(sum(self.sizes), dtype=torch.int64))
        self.register_buffer("due", torch.zeros(len(self.groups), dtype=torch.float64))

    def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> float:
        """Look at the units; nothing is added to the loss."""
        if self.rate and self.groups:
            seen = activations(learner.network, batch.inputs, self.groups)
            flat = [h.flatten(0, -2) for h in seen]
            means = [torch.stack([h.abs().mean(0), h.mean(0)]) for h in flat]
            self.now.copy_(torch.cat(means, dim=1))
        return 0.0

    @torch.no_grad()
    def after_step(self, learner: Learner) -> None:
        """Follow utility and mean, and replace what is due."""
        if not self.rate or not self.groups:
            return
        self.age += 1
        reach = torch.cat([group.reach() for group in self.groups])
        weight = torch.stack([reach, torch.ones_like(reach)])
        self.trace.mul_(self.decay).add_(self.now * weight, alpha=1 - self.decay)
        corrected = self.trace / (1 - self.decay**self.age).clamp(min=1e-12)
        rng = self.rng(learner)
        views = (self.age.split(self.sizes), self.trace.split(self.sizes, 1))
        for k, (group, age, trace, now) in enumerate(
            zip(self.groups, *views, corrected.split(self.sizes, 1), strict=True)
        ):
            mature = (age > self.maturity).nonzero()[:, 0]
            self.due[k] += self.rate * len(mature)
            n = int(self.due[k])
            self.due[k] -= n
            if n:
                chosen = mature[now[0, mature].topk(n, largest=False).indices]
                group.transfer(chosen, now[1, chosen])
                group.restart(chosen, rng, learner.optimizer)
                age[chosen], trace[:, chosen] = 0, 0.0
