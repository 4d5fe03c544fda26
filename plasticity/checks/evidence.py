"""Checks of evidence: an observer's probability of what was shown is the probability of just that."""

import math
from unittest import SkipTest

import numpy as np
from jaxtyping import Float

from plasticity.checks.episodes import EARLIER, ROWS, cases, middling
from plasticity.checks.exactness import ENOUGH, FEW, sample, short
from plasticity.checks.frequencies import RARE, divergence, numbered
from plasticity.core.tunnel import Observer, Symbols, Tunnel

EXACT = 1e-9
"""Largest gap between log probabilities that ought to be equal, in nats."""
LATENTS = 8
"""Latents whose informed observer, and whose order of episodes, is looked at."""


def check_evidence_obeys_the_chain_rule(tunnel: Tunnel) -> None:
    """Evidence adds up: over the positions of an episode by `predict`, over episodes by `absorb`.

    Entry t looks at inputs[:, :t+1] and targets[:, :t] only. What an asked target adds to it is ln predict, and
    what the next input adds on top is never positive; the last target, if it is asked, has no input after it. And
    ln p(A) + ln p(B | A) = ln p(B) + ln p(A | B).
    """
    time = middling(tunnel)
    asked = tunnel.asked(time)
    for who, observer, x, y in cases(tunnel, time):
        every = np.arange(ROWS)
        whole = _evidence(observer(every), x, y)
        assert whole.shape == (ROWS, time + 1) and whole.dtype == np.float64, (
            f"{who}: evidence is {whole.dtype} of shape {whole.shape}; expected float64 of {(ROWS, time + 1)}"
        )
        assert np.isfinite(whole).all() and (whole <= EXACT).all(), (
            f"{who}: evidence of episodes that were drawn ranges from {whole.min()} to {whole.max()} nats; "
            "expected log probabilities of what is possible: finite and at most 0"
        )
        gap = _gap(_evidence(observer(every[-1:]), x[-1:], y[-1:]), whole[-1:])
        assert gap <= EXACT, (
            f"{who}: evidence of a row alone and in company differs by {gap:.2g} nats"
        )
        for t in range(time):
            inputs, targets = x.copy(), y.copy()  # with another episode's future
            inputs[:, t + 1 :] = np.roll(x, 1, axis=0)[:, t + 1 :]
            targets[:, t:] = np.roll(y, 1, axis=0)[:, t:]
            gap = _gap(_evidence(observer(every), inputs, targets)[:, t], whole[:, t])
            assert gap <= EXACT, (
                f"{who}: entry {t} of its evidence moved by {gap:.2g} nats when only inputs[:, {t + 1}:] and "
                f"targets[:, {t}:] were changed; expected to depend on inputs[:, :{t + 1}] and targets[:, :{t}] only"
            )
        foretold = np.take_along_axis(observer(every).predict(x, y), y[..., None], -1)[..., 0]
        excess = (np.diff(whole) - np.where(asked, np.log(foretold), 0.0)).max(0)
        worst = int(excess.argmax())
        assert excess[worst] <= EXACT, (
            f"{who}: entry {worst + 1} of its evidence is above entry {worst} plus ln of what it predicted for the "
            f"target asked there by {excess[worst]:.4g} nats; expected no more, each symbol makes it less likely"
        )
        last = _gap(whole[:, -1] - whole[:, -2], np.log(foretold[:, -1])) if asked[-1] else 0.0
        assert last <= EXACT, (
            f"{who}: the last target adds to its evidence something {last:.4g} nats from ln of what it predicted; "
            "expected the same: evidence counts each target once, with the probability that predict gives it"
        )
    rng = np.random.default_rng(13)
    for latent in np.split(tunnel.latents(LATENTS, rng), LATENTS):
        x, y = tunnel.draw(np.repeat(latent, 1 + EARLIER, axis=0), time, rng)
        first, rest = (x[:1], y[:1]), (x[1:2], y[1:2])
        forth, back = (
            _evidence(tunnel.observer(), *a)[0, -1]
            + _evidence(tunnel.observer().absorb(*a), *b)[0, -1]
            for a, b in ((first, rest), (rest, first))
        )
        assert abs(forth - back) <= EXACT, (
            f"two episodes of one latent have together the log probability {forth:.6f} in one order, each given those "
            f"before it, and {back:.6f} in the other; expected the same: absorb() adds what evidence() counts"
        )


def check_evidence_matches_frequencies(tunnel: Tunnel) -> None:
    """The exponential of evidence is the frequency of whole episodes, for the amnesic and the informed.

    Of episodes that differ in something shown the probabilities add up to 1 at most, and each is within the bound
    that `frequencies.compare` uses.
    """
    time, few = short(tunnel), tunnel.latents(FEW, np.random.default_rng(4))
    x, y = sample(tunnel, time)[:, 0]
    _compare("the amnesic observer", tunnel, x, y, tunnel.observer())
    x, y = sample(tunnel, time, of_few=True)[:, 0]
    for i, latent in enumerate(np.split(few, FEW)):
        informed = tunnel.informed(latent)
        _compare("the informed observer", tunnel, x[i::FEW], y[i::FEW], informed)


def _compare(who: str, tunnel: Tunnel, x: Symbols, y: Symbols, observer: Observer) -> None:
    """Compare with the frequencies of a sample.

    Raises:
        AssertionError: they differ.
        SkipTest: hardly any two episodes are the same.
    """
    shown = np.hstack([x, y[:, tunnel.asked(x.shape[1])]])
    _, example, counts = np.unique(numbered(shown), return_index=True, return_counts=True)
    p = np.exp(_evidence(observer, x[example], y[example])[:, -1])
    assert p.sum() <= 1 + EXACT, (
        f"{who}: by its evidence the {len(p)} different episodes that came have probability {p.sum():.6f} together; "
        "expected 1 at most: it leaves out something that is shown (where a walk starts, which key is asked)"
    )
    if (repeated := int(counts[counts > 1].sum())) < min(ENOUGH, len(x) / 2):
        raise SkipTest(
            f"{who}: only {repeated} of {len(x)} episodes came more than once, too few to compare frequencies; "
            "check a smaller instance, with fewer symbols or shorter episodes"
        )
    surprise = len(x) * divergence(counts / len(x), p)
    worst = int(surprise.argmax())
    assert surprise[worst] <= math.log(2 * len(p) / RARE), (
        f"{who}: by its evidence the episode of inputs {x[example[worst]].tolist()} and targets "
        f"{y[example[worst]].tolist()} has probability {p[worst]:.3g}, but its frequency among {len(x)} is "
        f"{counts[worst] / len(x):.3g}; expected the probability of inputs and asked targets, nothing counted twice"
    )


def _evidence(observer: Observer, x: Symbols, y: Symbols) -> Float[np.ndarray, "batch entries"]:
    """Its evidence.

    Raises:
        SkipTest: it has none.
    """
    try:
        return observer.evidence(x, y)
    except NotImplementedError as error:
        raise SkipTest(f"no filter over regimes can weigh it: {error}") from error


def _gap(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference; infinite where one of them is not a number."""
    return float(np.nan_to_num(np.abs(one - other), nan=np.inf).max(initial=0.0))
