"""Switching observer: an exact forward filter over regimes, which are known while the live one is not."""

import numpy as np
from jaxtyping import Float

from plasticity.core.stream import PROBED, Belief, Stream
from plasticity.core.tunnel import Observer, Probabilities, Symbols
from plasticity.observers.conjugate import normalise

PRIORS = 1000
"""Steps of a schedule that are looked through for doubt."""


class SwitchingObserver:
    """The switching observer: knows every held latent and the schedule's law, and infers the live regime.

    With w_r = p(regime r at this step | all episodes before) by `Stream.prior`, and
    L_r(t) = p(inputs[:t+1], targets[:t] | r) of this episode so far,

        p(y_t | past) = sum_r w_r L_r(t) p_r(y_t | past) / sum_r w_r L_r(t).

    After a batch of one regime w_r becomes proportional to w_r prod over episodes of L_r, the forward
    recursion of a hidden Markov model (Rabiner 1989) whose states are regimes; where a batch mixes
    regimes, each episode draws its own and nothing is carried on. The other episodes of a batch are
    not seen before it has been predicted, as the learner does not see them either.
    Of a regime that holds no latent it knows the prior. Work per step: one prediction per regime of weight.

    Args:
        stream: whose schedule's law is used; without a law every prediction is NaN, and where some observer
            has no evidence so is every one that would have to weigh regimes; `silent` says why.

    Raises:
        ValueError: the schedule leaves the regime in doubt, and some tunnel's observer cannot read what another makes.
    """

    def __init__(self, stream: Stream):
        self.stream = stream
        self.belief: Belief | None = None
        self._at = -1  # the step whose batch, or a part of it, was absorbed last
        self._observers: dict[int, Observer] = {}
        self.silent = self._silent()
        if len(stream.tunnels) > 1 and not self.silent and self._doubtful():
            self._read_each_other()

    def prior(self, step: int) -> Belief | None:
        """The belief before what is still to come of batch `step`; zeros left out."""
        within = self._at == step and not self.stream.mixes
        law = self.belief if within else self.stream.prior(step, self.belief)
        law = law and {regime: p for regime, p in law.items() if p > 0}
        return None if law and len(law) > 1 and self.silent else law

    def sure(self, step: int) -> bool:
        """Whether the schedule leaves no doubt of the regime."""
        law = self.prior(step)
        return law is not None and len(law) == 1

    def predict(self, inputs: Symbols, targets: Symbols, step: int) -> Probabilities:
        """The mixture of what the regimes say, each weighed by its running posterior; NaN without a law."""
        law = self.prior(step)
        if law is None:
            return np.full((*inputs.shape, self.stream.symbols), np.nan)
        each = [self._observer(regime) for regime in law]
        self._observers = dict(zip(law, each, strict=True))  # the others may never be live again
        predictions = np.stack([observer.predict(inputs, targets) for observer in each])
        mass = np.stack([observer.evidence(inputs, targets)[:, :-1] for observer in each])
        mass += np.log(list(law.values()))[:, None, None]
        weights = posterior(mass)
        return np.einsum("btr,rbtk->btk", weights, predictions)

    def absorb(self, inputs: Symbols, targets: Symbols, step: int) -> None:
        """Weigh the regimes by how well they foretold the batch."""
        law = self.prior(step)
        self._at = step
        if law is None or self.stream.mixes or len(law) == 1:
            self.belief = law
            return
        each = [self._observer(regime).evidence(inputs, targets) for regime in law]
        mass = np.array([evidence[:, -1].sum() for evidence in each])
        mass += np.log(list(law.values()))
        weights = posterior(mass)
        self.belief = dict(zip(law, weights.tolist(), strict=True))

    def _silent(self) -> str | None:
        """Why some regime's observer cannot tell how likely an episode is; None: all can."""
        rng = np.random.default_rng(0)
        for regime in range(min(self.stream.regimes or PROBED, PROBED)):
            tunnel = self.stream.tunnels[self.stream.tunnel_index(regime)]
            x, y = tunnel.draw(tunnel.latents(1, rng), self.stream.time, rng)
            try:
                self._observer(regime).evidence(x, y)
            except NotImplementedError as error:
                return str(error)
        return None

    def _doubtful(self) -> bool:
        """Whether the schedule ever leaves the regime in doubt, as far as its first steps tell."""
        law: Belief | None = None
        for step in range(min(self.stream.steps or PRIORS, PRIORS)):
            law = self.stream.prior(step, law)
            if law is None or sum(p > 0 for p in law.values()) > 1:
                return law is not None
        return False

    def _read_each_other(self) -> None:
        """Let each tunnel's observers read an episode of every other.

        Raises:
            ValueError: one cannot.
        """
        tunnels, rng = self.stream.tunnels, np.random.default_rng(0)
        for i, other in enumerate(tunnels):
            x, y = other.draw(other.latents(1, rng), self.stream.time, rng)
            for j, tunnel in enumerate(tunnels):
                for observer in (tunnel.observer(), tunnel.informed(tunnel.latents(1, rng))):
                    try:
                        observer.predict(x, y)
                        observer.evidence(x, y)
                    except (
                        Exception
                    ) as error:  # whatever a tunnel's arithmetic says of symbols it never made
                        raise ValueError(
                            f"tunnels whose formats differ: tunnels[{j}] ({type(tunnel).__name__}) cannot read an "
                            f"episode of tunnels[{i}] ({type(other).__name__}), and the schedule hides which is live; "
                            "Padded gives each its own symbols"
                        ) from error

    def _observer(self, regime: int) -> Observer:
        if regime not in self._observers:
            tunnel = self.stream.tunnels[self.stream.tunnel_index(regime)]
            holds = self.stream.holds(regime)
            self._observers[regime] = (
                tunnel.informed(self.stream.latent(regime)) if holds else tunnel.observer()
            )
        return self._observers[regime]


def posterior(
    nats: Float[np.ndarray, "hypotheses ..."],
) -> Float[np.ndarray, "... hypotheses"]:
    """Probabilities of hypotheses from their log masses; uniform where all are ruled out."""
    peak = nats.max(0)
    peak = np.where(np.isfinite(peak), peak, 0.0)
    return normalise(np.exp(np.moveaxis(nats - peak, 0, -1)))
