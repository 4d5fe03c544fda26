"""Filtering: a hidden Markov model whose matrices are given in the prompt."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from plasticity import (
    Count,
    InputEvidence,
    Latents,
    Observer,
    Probabilities,
    Symbols,
    Tunnel,
    log,
    normalise,
)
from streams.tunnels.markov import walk
from streams.tunnels.urn import categorical

LEAST = 5
"""What every probability has at least, in hundredths."""
TRANS, EMIT, SEP, OBS, SYMBOL = 96, 97, 98, 99, 100
"""Ids: 0..95 are the probabilities .05 .06 ... 1.00; observation k is SYMBOL + k."""


class FilteringHMM(Tunnel):
    """Pure transport: the model is given, all that is left to infer is where its hidden state is.

    An episode is TRANS, the S*S entries of the transition matrix A, EMIT, the S*O entries of the
    emission matrix E, SEP, and OBS o_0 OBS o_1 ... for K steps, asked at each o_t: s_0 uniform,
    o_t ~ E[s_t], s_{t+1} ~ A[s_t]. The forward filter (Rabiner 1989) is exact:

    a_t(j) = p(s_t = j | o_0..o_t) ~ E[j, o_t] sum_i a_{t-1}(i) A[i, j],  a_0(j) ~ E[j, o_0],
    p(o_{t+1} = k | o_0..o_t) = sum_ij a_t(i) A[i, j] E[j, k].

    `ask: state` asks for a state drawn from a_t, afresh at each t. Together with o_0..o_t it is
    distributed as s_t is, so cross-entropy on it has the optimum of cross-entropy on a_t itself
    (what the paper trains on). Drawn afresh, because a learner finds no target of the past in its
    inputs: so p(target_t | inputs[:, :t+1]) = a_t, and targets of the past would say nothing more.

    Rows are Dirichlet(1, ...), floored at .05, renormalised, and rounded to whole hundredths
    (Agarwal, Misra et al., Bayesian wind tunnels, arXiv 2512.22471: S = O = 5, K = 20). The header
    gives the latent away, so the three observers are one: there is nothing to carry over, and
    skill is undefined. HMM is the tunnel whose model must be learned.

    Args:
        states: S, hidden states; at most 20, for which .05 leaves room.
        emissions: O, different observations; at most 20.
        steps: K, observations per episode; it has time = 3 + S * (S + O) + 2 * K symbols.
        ask: for the next observation, or for the hidden state.

    Raises:
        ValueError: more than 20 states or emissions.

    States last with probability .9 and show their own number with .6; seen are 0 and 1:

    >>> header = [96, 85, 5, 5, 85, 97, 55, 35, 35, 55, 98]
    >>> inputs = np.array([[*header, 99, 100, 99, 101]])
    >>> tunnel = FilteringHMM(states=2, emissions=2, steps=2, ask="state")
    >>> tunnel.observer().predict(inputs, np.zeros_like(inputs))[0, tunnel.asked(15)].round(3)
    array([[0.6  , 0.4  ],
           [0.479, 0.521]])
    """

    def __init__(
        self,
        states: Count = 5,
        emissions: Count = 5,
        steps: Count = 20,
        ask: Literal["symbol", "state"] = "symbol",
    ):
        for what, size in (("states", states), ("emissions", emissions)):
            if size * LEAST > 100:
                raise ValueError(f"{what}: expected at most {100 // LEAST}, got {size}")
        self.states, self.emissions, self.steps, self.ask = states, emissions, steps, ask
        self.vocab = SYMBOL + emissions
        self.symbols = states if ask == "state" else emissions
        self.header = 3 + states * (states + emissions)

    def latents(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n entries"]:
        """What is printed: A and then E, row by row, in hundredths."""
        matrices = [
            hundredths(rng.dirichlet(np.ones(size), size=(n, self.states))).reshape(n, -1)
            for size in (self.states, self.emissions)
        ]
        return np.hstack(matrices)

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """The header and what a fresh path shows; targets that are not asked are 0.

        Raises:
            ValueError: `time` is not 3 + S * (S + O) + 2 * K.
        """
        if time != (right := self.header + 2 * self.steps):
            raise ValueError(
                f"time: {self!r} makes sequences of {right} symbols "
                f"({self.header} of header, 2 a step), not {time}"
            )
        transition, emission = self.matrices(latents)
        path = walk(transition, self.steps + 1, rng)
        seen = categorical(emission[np.arange(len(path))[:, None], path], rng)
        inputs, first = np.full((len(latents), time), OBS), self.header + 1
        inputs[:, : self.header] = self.headers(latents)
        inputs[:, first::2] = SYMBOL + seen[:, :-1]
        if self.ask == "state":
            asked = categorical(beliefs(transition, emission, seen[:, :-1]), rng)
        else:
            asked = seen[:, 1:]
        targets = np.zeros_like(inputs)
        targets[:, first::2] = asked
        return inputs, targets

    def headers(self, latents: Int[np.ndarray, "n entries"]) -> Int[np.ndarray, "n header"]:
        """What is printed of latents."""
        ids, cut = np.full((len(latents), self.header), SEP), self.states**2 + 1
        ids[:, 0], ids[:, cut] = TRANS, EMIT
        ids[:, 1:cut], ids[:, cut + 1 : -1] = np.split(latents - LEAST, [cut - 1], axis=1)
        return ids

    def asked(self, time: int) -> Bool[np.ndarray, " time"]:
        """The observations: every other position after the header."""
        after = np.arange(time) - self.header
        return (after > 0) & (after % 2 == 1)

    def observer(self) -> "HeaderObserver":
        """Has read no header yet."""
        return HeaderObserver(self, None)

    def informed(self, latents: Latents) -> "HeaderObserver":
        """Predicts as the other does, as the header tells all; knows which header comes."""
        return HeaderObserver(self, latents)

    def matrices(
        self, entries: Int[np.ndarray, "n entries"]
    ) -> tuple[Float[np.ndarray, "n states states"], Float[np.ndarray, "n states emissions"]]:
        """A and E of latents."""
        a, e = np.split(entries / 100, [self.states**2], axis=1)
        shape = len(entries), self.states, -1
        return a.reshape(shape), e.reshape(shape)

    def printed(self, inputs: Symbols) -> Int[np.ndarray, "n entries"]:
        """The latents that headers show."""
        cut, end = self.states**2 + 1, self.header - 1
        return np.hstack([inputs[:, 1:cut], inputs[:, cut + 1 : end]]) + LEAST


@dataclass(frozen=True, eq=False)
class HeaderObserver(Observer):
    """Reads the model off the header, so that episodes absorbed teach it nothing but which header comes.

    Args:
        tunnel: how episodes are written.
        latents: what their headers show; None: not known, and there is no evidence. (The prior of a
            header is exact up to its rounding, whose cells have no closed form.)
    """

    tunnel: FilteringHMM
    latents: Int[np.ndarray, "n entries"] | None

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """The filter, uniform elsewhere."""
        predictive = np.full((*inputs.shape, self.tunnel.symbols), 1 / self.tunnel.symbols)
        belief, ahead = self._filter(inputs)
        predictive[:, self.tunnel.header + 1 :: 2] = belief if self.tunnel.ask == "state" else ahead
        return predictive

    def absorb(self, inputs: Symbols, targets: Symbols) -> "HeaderObserver":
        """Remembers the header, if there is news."""
        if self.latents is not None or not len(inputs):
            return self
        return replace(self, latents=self.tunnel.printed(inputs[:1]))

    def input_evidence(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """The header; observations by the filter, where the target before does not say them.

        Raises:
            NotImplementedError: the header is not known.
        """
        if self.latents is None:
            raise NotImplementedError(
                "FilteringHMM's observer has no evidence: the prior probability of a header of rounded "
                "entries has no closed form; it has one given the latent, or after an episode"
            )
        start, first = self.tunnel.header, self.tunnel.header + 1
        surprise = np.empty(inputs.shape)
        surprise[:, :start] = log(inputs[:, :start] == self.tunnel.headers(self.latents))
        surprise[:, start::2] = log(inputs[:, start::2] == OBS)
        seen = self._seen(inputs)
        _, emission = self.tunnel.matrices(self.tunnel.printed(inputs))
        law = np.concatenate([emission.mean(1)[:, None], self._filter(inputs)[1][:, :-1]], axis=1)
        surprise[:, first::2] = log(np.take_along_axis(law, seen[..., None], 2)[..., 0])
        if self.tunnel.ask == "symbol":
            surprise[:, first + 2 :: 2] = log(seen[:, 1:] == targets[:, first:-2:2])
        surprise[:, first::2] += log(inputs[:, first::2] == SYMBOL + seen)
        return InputEvidence(surprise, self.tunnel.asked(inputs.shape[1]))

    def _seen(self, inputs: Symbols) -> Int[np.ndarray, "batch steps"]:
        """The observations; any of them where another symbol stands, which is impossible."""
        return (inputs[:, self.tunnel.header + 1 :: 2] - SYMBOL).clip(0, self.tunnel.emissions - 1)

    def _filter(
        self, inputs: Symbols
    ) -> tuple[Float[np.ndarray, "batch steps states"], Float[np.ndarray, "batch steps emissions"]]:
        """At each observation, the law of the state and of the next observation."""
        transition, emission = self.tunnel.matrices(self.tunnel.printed(inputs))
        belief = beliefs(transition, emission, self._seen(inputs))
        return belief, belief @ transition @ emission


def beliefs(
    transition: Float[np.ndarray, "batch states states"],
    emission: Float[np.ndarray, "batch states emissions"],
    seen: Int[np.ndarray, "batch steps"],
) -> Float[np.ndarray, "batch steps states"]:
    """p(s_t | o_0..o_t) by the forward filter, s_0 uniform.

    Args:
        transition: one matrix per sequence; rows sum to 1.
        emission: likewise.
        seen: observations, each in [0, emissions).
    """
    belief = emission.swapaxes(1, 2)[np.arange(len(seen))[:, None], seen]
    for t in range(seen.shape[1]):
        if t:
            belief[:, t] *= (belief[:, t - 1, None] @ transition)[:, 0]
        belief[:, t] = normalise(belief[:, t])
    return belief


def hundredths(rows: Float[np.ndarray, "*rows entries"]) -> Int[np.ndarray, "*rows entries"]:
    """Round probabilities to whole hundredths, at least 5 each, so that rows sum to 100.

    Entries are floored at .05, renormalised, rounded, and floored at 5 again. A row that is short
    then gains 1 at a time, cycling from its smallest entry up; one that is over loses 1 at a time,
    cycling from its largest entry down and leaving out those at 5.

    33 + 33 + 33 is short, 5 + 5 + 91 is over:

    >>> hundredths(np.array([[1 / 3, 1 / 3, 1 / 3], [0.01, 0.01, 0.98]]))
    array([[34, 33, 33],
           [ 5,  5, 90]])
    """
    floored = np.maximum(rows, LEAST / 100)
    cents = np.rint(100 * floored / floored.sum(-1, keepdims=True)).astype(np.int64)
    cents = np.maximum(cents, LEAST)
    order = cents.argsort(-1, kind="stable")
    ascending = np.take_along_axis(cents, order, -1)
    rank = np.arange(rows.shape[-1])
    while (short := 100 - ascending.sum(-1, keepdims=True)).any():
        spare = ascending > LEAST
        from_above = np.flip(np.flip(spare, -1).cumsum(-1), -1)
        ascending += rank < short
        ascending -= spare & (from_above <= -short)
    np.put_along_axis(cents, order, ascending, -1)
    return cents
