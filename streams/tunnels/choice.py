"""Choices of a user with hidden preferences: flights, after Qiu et al."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import log as ln

import numpy as np
from jaxtyping import Bool, Float, Int

from plasticity import (
    Count,
    FormattedObserver,
    Hypotheses,
    InputEvidence,
    KnownObserver,
    Latents,
    Natural,
    NonNegative,
    Probabilities,
    Symbols,
    Tunnel,
    log,
    normalise,
)
from streams.tunnels.urn import categorical

OPTIONS = 3
"""In every round; their numbers are the target symbols, and the first input symbols."""
STEPS = (-2, -1, 0, 1, 2)
"""Weights of a feature, in halves: utilities are whole numbers, so that a tie is one."""


class Choice(Tunnel):
    """Preference learning: which of three options does this user take?

    A user has a weight in {-1, -1/2, 0, 1/2, 1} for each of F features, not all 0: 5^F - 1 users, equally likely. In
    every round each option has a level of each feature, uniform in 0..L-1 and worth x = level / (L - 1). The user takes
    the option of the largest utility u_i = sum_f w_f x_if, any of those that tie equally often; with `noise` b > 0,

    p(i | w) = exp(u_i / b) / sum_j exp(u_j / b),
    p(i | past) = sum_w p(w | past) p(i | w),  p(w | past) ~ prod over rounds of p(what w took | w).

    (Qiu et al., Bayesian teaching, Nature Communications 17:1238, arXiv 2503.17523: flights of F = 4 features, 624
    users, five rounds, no noise; what the user took is shown after each.) A round is 3 F + 1 symbols, option by option
    and feature by feature, and then the option that was taken; the target is asked at the last feature. Symbol i < 3
    is option i, 3 + f L + l is level l of feature f.

    Args:
        features: F.
        levels: L, values of a feature.
        noise: b, in utility, which is 1 over the beta of a softmax choice; 0: the best is taken.
        order: of the features in an option; null: 0 to F - 1.

    Raises:
        ValueError: order is no permutation of the features.

    One feature of two levels, so that half the users like it and half do not. Options 0 and 1 have it, and 0 is taken:
    it is liked, and so option 2 will be taken, which alone has it in the second round.

    >>> inputs, targets = np.array([[4, 4, 3, 0, 3, 3, 4]]), np.array([[0, 0, 0, 0, 0, 0, 2]])
    >>> Choice(features=1, levels=2).observer().predict(inputs, targets)[0, 2::4].round(3)
    array([[0.25, 0.25, 0.5 ],
           [0.  , 0.  , 1.  ]])
    """

    def __init__(
        self,
        features: Count = 4,
        levels: Count = 11,
        noise: NonNegative = 0.0,
        order: Sequence[Natural] | None = None,
    ):
        if order is not None and sorted(order) != list(range(features)):
            raise ValueError(f"order: expected each of 0 to {features - 1} once, got {list(order)}")
        self.features, self.levels, self.noise = features, levels, noise
        self.order = None if order is None else list(order)
        self.vocab, self.symbols = OPTIONS + features * levels, OPTIONS
        self.round = OPTIONS * features + 1
        """Symbols of a round."""

    def latents(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n features"]:
        """Weights of users, in halves."""
        return users(self.features)[rng.integers(5**self.features - 1, size=n)]

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """Rounds of options and choices; the last choice is not shown. Targets that are not asked are 0.

        Raises:
            ValueError: `time` is not a whole number of rounds less one symbol.
        """
        if (time + 1) % self.round:
            raise ValueError(
                f"time: {self!r} makes sequences of {self.round} k - 1 symbols, k rounds, not {time}"
            )
        n, rounds = len(latents), (time + 1) // self.round
        level = rng.integers(self.levels, size=(n, rounds, OPTIONS, self.features))
        utility = np.einsum("brof,bf->bro", level, latents)
        taken = categorical(self.law(utility), rng)
        inputs = np.zeros((n, rounds, self.round), dtype=np.int64)
        inputs[..., :-1] = (level + self._first)[..., self._order].reshape(n, rounds, -1)
        targets = np.zeros_like(inputs)
        inputs[..., -1] = targets[..., -2] = taken
        return inputs.reshape(n, -1)[:, :-1], targets.reshape(n, -1)[:, :-1]

    def asked(self, time: int) -> Bool[np.ndarray, " time"]:
        """The last feature of every round."""
        return np.arange(time) % self.round == self.round - 2

    def observer(self) -> "ChoiceObserver":
        """Every user is as likely."""
        weights = np.zeros(5**self.features - 1)
        return ChoiceObserver(weights, self, format=self._format)

    def informed(self, latents: Latents) -> KnownObserver:
        """Knows the weights, not how ties and noise fall."""
        return KnownObserver(partial(self._known, latents), format=self._format)

    def hypotheses(self) -> Hypotheses:
        """Every user."""
        every = users(self.features)
        base = len(STEPS) ** np.arange(self.features)[::-1]
        number = {int(code): g for g, code in enumerate((every - STEPS[0]) @ base)}

        def of(latents: Int[np.ndarray, "n features"]) -> Int[np.ndarray, " n"]:
            return np.array([number[code] for code in ((latents - STEPS[0]) @ base).tolist()])

        prior = np.full(len(every), 1 / len(every))
        return Hypotheses(prior, of, lambda which: self.informed(every[which]))

    def law(
        self, utility: Int[np.ndarray, "*rounds options"]
    ) -> Float[np.ndarray, "*rounds options"]:
        """Which option is taken, from utilities in halves of levels."""
        above = utility - utility.max(-1, keepdims=True)
        if not self.noise:
            return normalise((above == 0).astype(float))
        return normalise(np.exp(above / (2 * max(self.levels - 1, 1) * self.noise)))

    def read(self, inputs: Symbols) -> Int[np.ndarray, "batch rounds options features"]:
        """Levels of the options of every whole round; of an episode of another task, the nearest ones."""
        n, rounds = len(inputs), (inputs.shape[1] + 1) // self.round
        shown = np.pad(inputs, ((0, 0), (0, 1)))[:, : rounds * self.round]
        shown = shown.reshape(n, rounds, self.round)[..., :-1]
        shown = shown.reshape(n, rounds, OPTIONS, self.features)[..., np.argsort(self._order)]
        return (shown - self._first).clip(0, self.levels - 1)

    def spread(
        self, predictive: Float[np.ndarray, "batch rounds options"], inputs: Symbols
    ) -> Probabilities:
        """A predictive of rounds at the positions that ask; uniform elsewhere."""
        out = np.full((*inputs.shape, OPTIONS), 1 / OPTIONS)
        out[:, self.asked(inputs.shape[1])] = predictive
        return out

    @property
    def _order(self) -> Int[np.ndarray, " features"]:
        return np.arange(self.features) if self.order is None else np.array(self.order)

    @property
    def _first(self) -> Int[np.ndarray, " features"]:
        """The symbol of level 0 of each feature."""
        return OPTIONS + self.levels * np.arange(self.features)

    def _known(self, latents: Int[np.ndarray, "n features"], inputs: Symbols) -> Probabilities:
        utility = np.einsum(
            "brof,bf->bro",
            self.read(inputs),
            np.broadcast_to(latents, (len(inputs), self.features)),
        )
        return self.spread(self.law(utility), inputs)

    def _format(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """Levels are uniform, each in its place; what was taken is the target before."""
        place = np.arange(inputs.shape[1]) % self.round
        told = place == self.round - 1
        level = inputs - self._first[self._order[np.where(told, 0, place) % self.features]]
        surprise = np.where((level >= 0) & (level < self.levels), -ln(self.levels), -np.inf)
        before = np.pad(targets, ((0, 0), (1, 0)))[:, :-1]
        surprise[:, told] = log(inputs == before)[:, told]
        return InputEvidence(surprise, self.asked(inputs.shape[1]))


@dataclass(frozen=True, eq=False)
class ChoiceObserver(FormattedObserver):
    """Weighs every user by what was taken: exact, as users are finitely many.

    Args:
        log_weights: log likelihoods of the choices absorbed, in nats, up to a constant.
        tunnel: what rounds look like.
    """

    log_weights: Float[np.ndarray, " users"]
    tunnel: Choice

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """The mean over users, each weighed by the choices before."""
        said, surprise = self._explained(inputs, targets)
        before = np.pad(surprise, ((0, 0), (1, 0), (0, 0)))[:, :-1].cumsum(1) + self.log_weights
        peak = before.max(-1, keepdims=True)
        mass = np.exp(before - np.where(np.isfinite(peak), peak, 0.0))
        return self.tunnel.spread(normalise(np.einsum("bru,brou->bro", mass, said)), inputs)

    def absorb(self, inputs: Symbols, targets: Symbols) -> "ChoiceObserver":
        """Adds the choices of every round."""
        _, surprise = self._explained(inputs, targets)
        log_weights = self.log_weights + surprise.sum((0, 1))
        peak = log_weights.max()
        return replace(self, log_weights=log_weights - (peak if np.isfinite(peak) else 0.0))

    def _explained(
        self, inputs: Symbols, targets: Symbols
    ) -> tuple[
        Float[np.ndarray, "batch rounds options users"], Float[np.ndarray, "batch rounds users"]
    ]:
        """p(option | user), and log p of the one that was taken."""
        utility = self.tunnel.read(inputs) @ users(self.tunnel.features).T
        said = np.moveaxis(self.tunnel.law(np.moveaxis(utility, 2, 3)), 3, 2)
        taken = targets[:, self.tunnel.asked(inputs.shape[1])]
        return said, log(np.take_along_axis(said, taken[:, :, None, None], 2)[:, :, 0])


@lru_cache
def users(features: int) -> Int[np.ndarray, "users features"]:
    """The weights of every user, in halves."""
    grid = np.stack(np.meshgrid(*[STEPS] * features, indexing="ij"), -1).reshape(-1, features)
    return grid[grid.any(1)]
