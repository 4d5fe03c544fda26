"""Topic bigrams: the next word depends on the last one and on a hidden topic."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import scipy
from jaxtyping import Float

from plasticity import (
    Count,
    FormattedObserver,
    InputEvidence,
    KnownObserver,
    Latents,
    Natural,
    Positive,
    Probabilities,
    Symbols,
    Tunnel,
    chain,
    log,
    normalise,
)
from streams.tunnels.markov import walk
from streams.tunnels.urn import require_time


class Topics(Tunnel):
    """After "protein", "synthesis" or "shake"? Evidence of the topic moves the row of a word.

    Topic z says what follows symbol c: the row m_zc. Topics are made once, from `seed`, their rows
    Dirichlet(concentration, ...). A text is about one of them, uniform a priori, and its own matrix
    keeps to that as `strength` has it: rows P_c ~ Dirichlet(a_zc), a_zc = strength m_zc; on this
    matrix, which is the latent, x_0, x_1, ... is a walk, x_0 uniform. So the prior is a mixture of
    Dirichlets. With n_ck the times that k followed c, and N_c their sum over k,

    p(x_{t+1} = k | x_0..x_t = c) = sum_z w_z (a_zck + n_ck) / (strength + N_c),
    w_z ~ prod_c [Gamma(strength) / Gamma(strength + N_c)] prod_k [Gamma(a_zck + n_ck) / Gamma(a_zck)].

    A prompt's row moves by Bayes' rule twice over: as topics are ruled out, and as its last word is
    met again. (Dalal & Misra, The Matrix: a Bayesian learning model for LLMs, arXiv 2402.03175: a
    language model is a matrix of prompts by next tokens, and mixtures of Dirichlets approximate any
    prior over its rows.) Inputs are x_0..x_{T-1}, targets x_1..x_T; x_0 says nothing of the matrix.
    Rows have a topic in common, and so are no independent parts.

    Args:
        symbols: size of the alphabet.
        topics: number of topics.
        concentration: pseudo-count of each entry of m_zc, in draws; below 1 rows are peaked.
        strength: pseudo-counts of a row of a text, in draws; large: the topic says it all.
        seed: of the topics.

    Two topics. Call the symbols "protein", "synthesis" and "shake": of what follows protein, one
    topic says synthesis, the other shake.

    >>> tunnel = Topics(symbols=3, topics=2, concentration=0.5, strength=20.0, seed=201)
    >>> tunnel.rows[:, 0].round(2)
    array([[0.3 , 0.67, 0.03],
           [0.02, 0.05, 0.94]])

    The row of the prompt "protein", then those of "synthesis protein" and "shake protein":

    >>> def row(*prompt):
    ...     inputs = np.array([prompt])
    ...     return tunnel.observer().predict(inputs, np.roll(inputs, -1, axis=1))[0, -1].round(2)
    >>> row(0), row(1, 0), row(2, 0)
    (array([0.16, 0.36, 0.48]), array([0.28, 0.62, 0.1 ]), array([0.02, 0.06, 0.92]))
    """

    def __init__(
        self,
        symbols: Count = 8,
        topics: Count = 4,
        concentration: Positive = 0.3,
        strength: Positive = 10.0,
        seed: Natural = 0,
    ):
        self.symbols, self.topics = symbols, topics
        self.concentration, self.strength, self.seed = concentration, strength, seed
        self.vocab = symbols
        rng = np.random.default_rng(seed)
        self.rows = rng.dirichlet([concentration] * symbols, size=(topics, symbols))

    def latents(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n symbols symbols"]:
        """The transition matrices, each about one topic; row c is the law of what follows c.

        A Dirichlet is Gamma draws over their sum, and a Gamma(a) one is a Gamma(a + 1) one times U^(1/a)
        (Marsaglia & Tsang 2000, ACM TOMS 26(3), section 6): in logarithms none is lost for small a.
        """
        pseudo = self.strength * self.rows[rng.integers(self.topics, size=n)]
        with np.errstate(divide="ignore"):
            logs = np.log(rng.standard_gamma(pseudo + 1))
            logs -= rng.standard_exponential(pseudo.shape) / pseudo
        return normalise(np.exp(logs - logs.max(-1, keepdims=True)))

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """A walk of time + 1 symbols.

        Raises:
            ValueError: `time` is below 1.
        """
        require_time(time)
        path = walk(latents, time + 1, rng)
        return path[:, :-1], path[:, 1:]

    def observer(self) -> "TopicsObserver":
        """Every topic is as likely as any other."""
        prior = self.strength * self.rows
        return TopicsObserver(prior, np.zeros(self.topics), format=self._format)

    def informed(self, latents: Latents) -> KnownObserver:
        """Predicts the row of the last symbol."""
        return KnownObserver(partial(_rows, latents), format=self._format)

    def _format(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        return chain(1 / self.symbols, inputs, targets)


@dataclass(frozen=True, eq=False)
class TopicsObserver(FormattedObserver):
    """Counts what each context has emitted, and weighs the Dirichlets: exact for a mixture of them.

    p(symbol k | context c) = sum_z w_z (counts[z, c, k] + n[c, k]) / sum over k of the same, w_z being
    proportional to exp(log_weights[z]) times the probability under z of the draws of this episode.

    Args:
        counts: pseudo-counts of each component plus the draws absorbed, in draws.
        log_weights: log prior plus the log likelihoods absorbed, in nats, up to a constant.
        format: how episodes are written, but for the draws.
    """

    counts: Float[np.ndarray, "topics contexts symbols"]
    log_weights: Float[np.ndarray, " topics"]

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """The mixture of what the topics say, each weighed by its running posterior."""
        said = self.counts[:, inputs] + _before(inputs, targets, self.counts.shape[1:])
        said /= said.sum(-1, keepdims=True)
        log_mass = np.empty(said.shape[:-1])
        log_mass[..., 0] = self.log_weights[:, None]
        came = np.broadcast_to(targets[..., None], (*said.shape[:-1], 1))
        log_mass[..., 1:] = log(np.take_along_axis(said, came, -1)[..., :-1, 0])
        log_mass = log_mass.cumsum(-1)
        peak = log_mass.max(0)
        mass = np.exp(log_mass - np.where(np.isfinite(peak), peak, 0.0))
        return normalise(np.einsum("zbt,zbtk->btk", mass, said))

    def absorb(self, inputs: Symbols, targets: Symbols) -> "TopicsObserver":
        """Adds every draw to the counts of every topic, and their joint probability to its weight.

        Of n_1..n_K draws from Dirichlet(a_1..a_K), in their order, it is B(a + n) / B(a), where
        B(a) = prod_k Gamma(a_k) / Gamma(sum_k a_k).
        """
        gammaln, drawn = scipy.special.gammaln, np.zeros(self.counts.shape[1:])
        np.add.at(drawn, (inputs, targets), 1.0)
        before, after = self.counts, self.counts + drawn
        gained = np.zeros_like(before)  # nothing where nothing was drawn, whatever the pseudo-count
        np.subtract(gammaln(after), gammaln(before), out=gained, where=drawn > 0)
        gained = gained.sum(-1) + gammaln(before.sum(-1)) - gammaln(after.sum(-1))
        weights = self.log_weights + gained.sum(-1)
        peak = weights.max()
        return replace(self, counts=after, log_weights=weights - (peak if np.isfinite(peak) else 0))


def _before(inputs: Symbols, targets: Symbols, shape: tuple[int, int]) -> Probabilities:
    """How often each symbol has followed the context inputs[:, t], before target t."""
    rows, seen = np.arange(len(inputs)), np.zeros((len(inputs), *shape))
    before = np.empty((*inputs.shape, shape[1]))
    for t in range(inputs.shape[1]):
        before[:, t] = seen[rows, inputs[:, t]]
        seen[rows, inputs[:, t], targets[:, t]] += 1
    return before


def _rows(matrices: Float[np.ndarray, "n symbols symbols"], inputs: Symbols) -> Probabilities:
    return matrices[np.arange(len(matrices))[:, None], inputs]
