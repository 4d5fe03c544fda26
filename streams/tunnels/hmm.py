"""Hidden Markov model: one of a library."""

from functools import partial
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from plasticity import (
    Count,
    FiniteObserver,
    InputEvidence,
    KnownObserver,
    Latents,
    Natural,
    Positive,
    Probabilities,
    Symbols,
    Tunnel,
    chain,
    normalise,
)
from streams.tunnels.markov import walk
from streams.tunnels.urn import categorical, require_time

Transition = Float[np.ndarray, "*models states states"]
Emission = Float[np.ndarray, "*models states symbols"]


class HMM(Tunnel):
    """Transport of a hidden state: which model is it, and which state is it in?

    A library of models is made once, from `seed`: rows of the transition matrix A and the emission
    matrix E are Dirichlet(concentration, ...). The latent says which of them is live, uniform a
    priori; every episode has its own path: s_0 uniform, s_{t+1} ~ A[s_t], o_t ~ E[s_t]. Inputs are
    o_0..o_{T-1}, targets o_1..o_T. With a_h(i) = p(s_t = i | h, o_0..o_t), a forward filter
    (Rabiner 1989) for each model h,

    p(o_{t+1} | o_0..o_t) = sum_h p(h | o_0..o_t) sum_ij a_h(i) A_h[i, j] E_h[j, o_{t+1}].

    The HMM of Agarwal, Misra et al. (Bayesian wind tunnels, arXiv 2512.22471) prints A and E in the
    prompt and asks for the state; here no prompt holds them, and the next symbol is asked.

    Where models share A, another latent swaps the emissions and nothing else; where they share E,
    the transitions.

    Args:
        states: hidden states of each model.
        symbols: size of the alphabet.
        library: number of models.
        concentration: pseudo-count of each entry of a row, in draws; below 1 rows are peaked.
        seed: of the library; the latent is an index into it.
        share: the matrix that all models have in common, if any.

    >>> tunnel = HMM(states=2, symbols=3, library=1, concentration=1.0, seed=0)
    >>> inputs, targets = np.array([[0, 1]]), np.array([[1, 2]])
    >>> tunnel.observer().predict(inputs, targets).round(3)
    array([[[0.141, 0.444, 0.415],
            [0.141, 0.446, 0.413]]])
    """

    def __init__(
        self,
        states: Count = 5,
        symbols: Count = 5,
        library: Count = 16,
        concentration: Positive = 0.3,
        seed: Natural = 0,
        share: Literal["nothing", "transition", "emission"] = "nothing",
    ):
        self.states, self.symbols, self.library = states, symbols, library
        self.concentration, self.seed, self.share = concentration, seed, share
        self.vocab = symbols
        rng = np.random.default_rng(seed)
        self.transition = rng.dirichlet([concentration] * states, size=(library, states))
        self.emission = rng.dirichlet([concentration] * symbols, size=(library, states))
        if share == "transition":
            self.transition[:] = self.transition[0]
        elif share == "emission":
            self.emission[:] = self.emission[0]

    def latents(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, " n"]:
        """Indices into the library."""
        return rng.integers(self.library, size=n)

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """A fresh path of time + 1 states, and what they emit."""
        require_time(time)
        path = walk(self.transition[latents], time + 1, rng)
        seen = categorical(self.emission[latents[:, None], path], rng)
        return seen[:, :-1], seen[:, 1:]

    def observer(self) -> FiniteObserver:
        """Every model of the library is as likely as any other."""
        every = partial(filtered, self.transition[:, None], self.emission[:, None])
        return FiniteObserver(np.zeros(self.library), every, format=partial(chain, 1.0))

    def informed(self, latents: Latents) -> KnownObserver:
        """The filter of the model that is live; it does not see the path."""
        model = self.transition[latents], self.emission[latents]
        return KnownObserver(partial(_live, *model), format=partial(_opening, *model))


def filtered(
    transition: Transition, emission: Emission, inputs: Symbols
) -> tuple[Float[np.ndarray, "... batch"], Float[np.ndarray, "... batch time symbols"]]:
    """p(o_0) and p(o_{t+1} | o_0..o_t) under each model, by the forward filter.

    Args:
        transition: (..., states, states); the leading axes broadcast against those of `inputs`,
            so that (library, 1) puts every model to every sequence and (batch,) one model to each.
        emission: (..., states, symbols), likewise.
        inputs: (batch, time) observed symbols.

    Returns:
        (..., batch) and (..., batch, time, symbols) probabilities.
    """
    states, symbols = emission.shape[-2:]
    likelihood = np.eye(symbols)[inputs] @ emission.swapaxes(-1, -2)
    prior = np.full(states, 1 / states)
    opening = likelihood[..., 0, :] @ prior
    ahead = np.empty_like(likelihood)
    for t in range(inputs.shape[1]):
        belief = normalise(prior * likelihood[..., t, :])
        prior = ahead[..., t, :] = np.einsum("...i,...ij->...j", belief, transition)
    return opening, ahead @ emission


def _live(transition: Transition, emission: Emission, inputs: Symbols) -> Probabilities:
    return filtered(transition, emission, inputs)[1]


def _opening(
    transition: Transition, emission: Emission, inputs: Symbols, targets: Symbols
) -> InputEvidence:
    return chain(filtered(transition, emission, inputs[:, :1])[0], inputs, targets)
