"""Posterior states from which tunnels' observers are built: conjugate, finite, known."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from plasticity.core.tunnel import InputEvidence, Observer, Probabilities, Symbols


def normalise(mass: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Mass over its total along the last axis; the impossible (no mass anywhere) becomes uniform.

    >>> normalise(np.array([[1.0, 3.0], [0.0, 0.0]]))
    array([[0.25, 0.75],
           [0.5 , 0.5 ]])
    """
    total = mass.sum(-1, keepdims=True)
    uniform = np.full_like(mass, 1 / mass.shape[-1])
    return np.divide(mass, total, out=uniform, where=total > 0)


def log(p: Float[np.ndarray, "..."] | Bool[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Natural logarithm; -inf at 0.

    >>> log(np.array([True, False]))
    array([  0., -inf])
    """
    return np.log(p, out=np.full(p.shape, -np.inf), where=p > 0)


Format = Callable[[Symbols, Symbols], InputEvidence]
"""How a tunnel writes its episodes: from inputs and targets, what is shown whatever the latent."""


def chain(
    opening: Float[np.ndarray, " #batch"] | float, inputs: Symbols, targets: Symbols
) -> InputEvidence:
    """The format x_0, x_1, ...: all targets are told, and each is the next input.

    Args:
        opening: p(x_0).
        inputs: (batch, time) observed symbols.
        targets: (batch, time) symbols to predict.

    >>> chain(0.5, np.array([[1, 0, 1]]), np.array([[0, 1, 1]])).inputs.round(3)
    array([[-0.693,  0.   ,  0.   ]])
    """
    surprise = np.empty(inputs.shape)
    surprise[:, 0] = log(np.asarray(opening))
    surprise[:, 1:] = log(inputs[:, 1:] == targets[:, :-1])
    return InputEvidence(surprise, np.ones(inputs.shape[1], dtype=bool))


@dataclass(frozen=True, eq=False)
class FormattedObserver(Observer):
    """An observer whose tunnel tells it how episodes are written, which gives it an evidence.

    Args:
        format: what episodes show beside targets and beside what the class itself takes for
            evidence; None: it has no evidence.
    """

    format: Format | None = field(default=None, kw_only=True)

    def input_evidence(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """As the format has it."""
        return (
            self.format(inputs, targets) if self.format else super().input_evidence(inputs, targets)
        )


@dataclass(frozen=True, eq=False)
class KnownObserver(FormattedObserver):
    """Knows the latent of each episode, so it predicts by the law itself and learns nothing.

    Args:
        law: from inputs, the exact p(targets[:, t] | latent, inputs[:, :t+1]).
        format: how episodes are written under the latent.
    """

    law: Callable[[Symbols], Probabilities]

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """The law."""
        return self.law(inputs)

    def absorb(self, inputs: Symbols, targets: Symbols) -> "KnownObserver":
        """Itself."""
        return self


Draws = tuple[Int[np.ndarray, "batch draws"], Int[np.ndarray, "batch draws"]]
"""The context and the symbol of every draw of an episode, in order."""


def each_target(inputs: Symbols, targets: Symbols) -> Draws:
    """The draws of a chain: each target, from the context that is the symbol before it."""
    return inputs, targets


@dataclass(frozen=True, eq=False)
class DirichletObserver(FormattedObserver):
    """Counts what each context has emitted: exact for categorical rows with Dirichlet priors.

    p(symbol k | context c) = (counts[c, k] + n[c, k]) / sum over k of the same, where n counts the
    draws of this episode so far (Dirichlet-multinomial: Gelman et al., Bayesian Data Analysis 3.4).

    Args:
        counts: pseudo-counts of the prior plus the draws absorbed, in draws.
        draws: from inputs and targets, the draws of an episode. The last `time` of them are the
            targets; any before those are shown by the first input and never asked.
        prior: pseudo-counts of the prior, if draws were absorbed since.
        format: how episodes are written, but for the draws.

    Two contexts, of which the first has been seen to emit 1 and then meets its second draw:

    >>> observer = DirichletObserver(np.ones((2, 2)))
    >>> observer.predict(np.array([[0, 0]]), np.array([[1, 1]])).round(3)
    array([[[0.5 , 0.5 ],
            [0.333, 0.667]]])
    """

    counts: Float[np.ndarray, "contexts symbols"]
    draws: Callable[[Symbols, Symbols], Draws] = each_target
    prior: Float[np.ndarray, "contexts symbols"] | None = None

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """Prior plus the draws before each one."""
        return self._foretold(*self.draws(inputs, targets))[:, -targets.shape[1] :]

    def input_evidence(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """The draws before the targets, and the format."""
        surprise, told = super().input_evidence(inputs, targets)
        contexts, symbols = (drawn[:, : -targets.shape[1]] for drawn in self.draws(inputs, targets))
        foretold = self._foretold(contexts, symbols)
        surprise = surprise.copy()
        surprise[:, 0] += _surprises(foretold, symbols).sum(1)
        return InputEvidence(surprise, told)

    def _foretold(
        self, contexts: Int[np.ndarray, "batch draws"], symbols: Int[np.ndarray, "batch draws"]
    ) -> Float[np.ndarray, "batch draws symbols"]:
        """The predictive before each draw; a sort by (row, context) keeps memory linear."""
        place = contexts + len(self.counts) * np.arange(len(contexts))[:, None]
        order = place.ravel().argsort(kind="stable")
        place, contexts = place.ravel()[order], contexts.ravel()[order]
        drawn = np.eye(self.counts.shape[1])[symbols.ravel()[order]]
        before = drawn.cumsum(0) - drawn
        mass = before - before[place.searchsorted(place)] + self.counts[contexts]
        mass /= mass.sum(-1, keepdims=True)
        predictive = np.empty_like(mass)
        predictive[order] = mass
        return predictive.reshape(*symbols.shape, self.counts.shape[1])

    def absorb(self, inputs: Symbols, targets: Symbols) -> "DirichletObserver":
        """Adds every draw to the counts."""
        contexts, symbols = self.draws(inputs, targets)
        counts = self.counts.copy()
        np.add.at(counts, (contexts, symbols), 1.0)
        return replace(self, counts=counts, prior=self._prior())

    def renew(self, part: int) -> "DirichletObserver":
        """Forgets the draws of context `part`."""
        counts = self.counts.copy()
        counts[part] = self._prior()[part]
        return replace(self, counts=counts, prior=self._prior())

    def _prior(self) -> Float[np.ndarray, "contexts symbols"]:
        return self.counts if self.prior is None else self.prior


Explanation = tuple[
    Float[np.ndarray, "hypotheses batch"], Float[np.ndarray, "hypotheses batch time symbols"]
]
"""p(inputs[:, 0] | h), and p(targets[:, t] | h, inputs[:, :t+1]), for every hypothesis h."""


@dataclass(frozen=True, eq=False)
class FiniteObserver(FormattedObserver):
    """Weighs finitely many hypotheses: exact for any latent with a finite support.

    p(y_t | past) = sum_h w_h L_h(t) p_h(y_t | past) / sum_h w_h L_h(t), with L_h(t) the likelihood
    under h of this episode before target t. Evidence that all of them rule out leaves the uniform.

    Args:
        log_weights: log prior plus the log likelihoods absorbed, in nats, up to a constant.
        explain: from inputs, what each hypothesis says of the first input and of every target.
            Where a target is no evidence (a position not asked), all of them must say the same.
        format: how episodes are written, but for the first input.

    A coin of bias 1/2 or 1, after one head:

    >>> coins = np.array([[0.5, 0.5], [0.0, 1.0]])
    >>> def explain(inputs):
    ...     return np.ones((2, len(inputs))), np.tile(coins[:, None, None], (1, *inputs.shape, 1))
    >>> coin = FiniteObserver(np.log([0.5, 0.5]), explain)
    >>> coin.predict(np.array([[0, 1]]), np.array([[1, 1]])).round(3)
    array([[[0.25 , 0.75 ],
            [0.167, 0.833]]])
    """

    log_weights: Float[np.ndarray, " hypotheses"]
    explain: Callable[[Symbols], Explanation]

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """The mixture of what the hypotheses say, each weighed by its running posterior."""
        opening, said = self.explain(inputs)
        evidence = np.empty(said.shape[:-1])
        evidence[..., 0] = log(opening) + self.log_weights[:, None]
        evidence[..., 1:] = _surprises(said, targets)[..., :-1]
        log_mass = evidence.cumsum(-1)
        peak = log_mass.max(0)
        mass = np.exp(log_mass - np.where(np.isfinite(peak), peak, 0.0))
        return normalise(np.einsum("hbt,hbtk->btk", mass, said))

    def input_evidence(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """The first input, by the posterior, and the format."""
        surprise, told = super().input_evidence(inputs, targets)
        opening, _ = self.explain(inputs[:, :1])
        peak = self.log_weights.max()
        weights = normalise(np.exp(self.log_weights - (peak if np.isfinite(peak) else 0.0)))
        surprise = surprise.copy()
        surprise[:, 0] += log(weights @ opening)
        return InputEvidence(surprise, told)

    def absorb(self, inputs: Symbols, targets: Symbols) -> "FiniteObserver":
        """Adds the log likelihood of every whole episode."""
        opening, said = self.explain(inputs)
        evidence = log(opening).sum(1) + _surprises(said, targets).sum((1, 2))
        log_weights = self.log_weights + evidence
        peak = log_weights.max()
        return replace(self, log_weights=log_weights - (peak if np.isfinite(peak) else 0.0))


def _surprises(
    said: Float[np.ndarray, "*hypotheses batch time symbols"],
    targets: Int[np.ndarray, "batch time"],
) -> Float[np.ndarray, "*hypotheses batch time"]:
    """Log probability of each target under each hypothesis, in nats."""
    place = targets.reshape(*(1,) * (said.ndim - 3), *targets.shape, 1)
    return log(np.take_along_axis(said, place, -1)[..., 0])


@dataclass(frozen=True, eq=False)
class RecallObserver(FormattedObserver):
    """Recalls the value of a key it has met: exact for a hidden map from keys to values.

    A key that was met gives a point mass. A new key is uniform over the values that are left: all
    of them if values are independent and uniform, those not yet used if the map is a bijection.
    An episode is key, value, key, ..., key; a key's target is its value, and others are ignored.

    Args:
        known: value of each key in earlier episodes, -1 for one not met.
        exclusive: whether no two keys share a value.
        format: how episodes are written: how keys come about.
    """

    known: Int[np.ndarray, " keys"]
    exclusive: bool

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """A point mass or a uniform at keys, uniform elsewhere."""
        keys, values = inputs[:, ::2], targets[:, ::2]
        # A row of zeros for -1, the value that is not known.
        one_hot = np.eye(len(self.known) + 1, len(self.known))
        before = np.tri(keys.shape[1], k=-1)
        same = (keys[:, :, None] == keys[:, None, :]) * before
        met = same @ one_hot[values] + one_hot[self.known[keys]]
        left = np.ones_like(met)
        if self.exclusive:
            left -= np.minimum(before @ one_hot[values] + one_hot[self.known].sum(0), 1)
        predictive = np.full((*inputs.shape, len(self.known)), 1 / len(self.known))
        predictive[:, ::2] = normalise(np.where(met.any(-1, keepdims=True), met, left))
        return predictive

    def absorb(self, inputs: Symbols, targets: Symbols) -> "RecallObserver":
        """Notes every pair, the last one too."""
        known = self.known.copy()
        known[inputs[:, ::2]] = targets[:, ::2]
        return replace(self, known=known)

    def renew(self, part: int) -> Observer:
        """Forgets the value of key `part`.

        Raises:
            NotImplementedError: values exclude each other, so that keys are not independent.
        """
        if self.exclusive:
            return super().renew(part)
        known = self.known.copy()
        known[part] = -1
        return replace(self, known=known)
