"""Checks of hypotheses: what a tunnel says latents may be adds up to what its observers say."""

from unittest import SkipTest

import numpy as np
from scipy.special import logsumexp

from plasticity.checks.episodes import middling
from plasticity.checks.frequencies import most_surprising
from plasticity.core.tunnel import Hypotheses, Tunnel

EXACT = 1e-9
"""Largest gap between probabilities, or log probabilities in nats, that ought to be equal."""
MOST = 2000
"""Hypotheses, beyond which adding up takes too long."""
EPISODES = 4
"""Looked at under every hypothesis."""
DRAWN = 20_000
"""Latents from which the prior is estimated."""


def check_hypotheses_add_up(tunnel: Tunnel) -> None:
    """Sum_g p(g) = 1; latents come by p(g); and weighed by what they said, hypotheses predict as the amnesic does.

    p(D) = sum_g p(g) p(D | g) at every position, and so p(y_t | past) = sum_g p(g | past) p(y_t | past, g).
    """
    found = listed(tunnel)
    prior, who = found.prior, f"hypotheses() of {type(tunnel).__name__}"
    assert prior.ndim == 1 and np.isfinite(prior).all() and (prior >= 0).all(), (
        f"{who}: prior is of shape {prior.shape}, from {prior.min()} to {prior.max()}; expected one probability each"
    )
    assert abs(prior.sum() - 1) <= EXACT, (
        f"{who}: prior sums to {prior.sum():.12g}; expected 1: of any latent exactly one hypothesis is true"
    )
    which = found.of(tunnel.latents(DRAWN, np.random.default_rng(14)))
    assert which.shape == (DRAWN,) and 0 <= which.min() and which.max() < len(prior), (
        f"{who}: of() gave numbers of shape {which.shape} from {which.min()} to {which.max()}; expected one for each "
        f"latent, from 0 to {len(prior) - 1}"
    )
    share = np.bincount(which, minlength=len(prior)) / DRAWN
    (worst,), unlikely = most_surprising(share, prior, DRAWN, len(prior))
    assert not unlikely, (
        f"{who}: hypothesis {worst} has prior {prior[worst]:.4f}, and is true of {share[worst]:.4f} of {DRAWN} latents "
        "drawn; expected the share: compare prior and of() with what latents() draws"
    )
    try:
        _mixture(tunnel, found, who)
    except NotImplementedError as error:
        raise SkipTest(f"hypotheses cannot be weighed: {error}") from error


def listed(tunnel: Tunnel) -> Hypotheses:
    """The hypotheses of a tunnel.

    Raises:
        SkipTest: it lists none, or too many to add up.
    """
    try:
        found = tunnel.hypotheses()
    except NotImplementedError as error:
        raise SkipTest(str(error)) from error
    if len(found.prior) > MOST:
        raise SkipTest(
            f"{len(found.prior)} hypotheses are more than are added up here; check a smaller instance"
        )
    return found


def _mixture(tunnel: Tunnel, found: Hypotheses, who: str) -> None:
    """Raises AssertionError where the posterior over hypotheses does not give the amnesic predictive."""
    time, rng = middling(tunnel), np.random.default_rng(15)
    x, y = tunnel.draw(tunnel.latents(EPISODES, rng), time, rng)
    every = np.flatnonzero(found.prior)
    nats = np.stack([found.loglik(np.repeat(g, EPISODES), x, y) for g in every])
    nats += np.log(found.prior[every])[:, None, None]
    whole = logsumexp(nats, axis=0)
    gap = np.abs(whole - tunnel.observer().evidence(x, y)).max()
    assert gap <= EXACT, (
        f"{who}: ln of sum_g p(g) p(D | g) differs by {gap:.4g} nats from the evidence of observer(); expected the same"
    )
    said = np.stack([found.given(np.array([g])).predict(x, y) for g in every])
    mixed = np.einsum("gbt,gbtk->btk", np.exp(nats - whole)[..., :-1], said)
    gap = np.abs(mixed - tunnel.observer().predict(x, y)).max((0, 2))[tunnel.asked(time)].max()
    assert gap <= EXACT, (
        f"{who}: predictions of given(g), weighed by the posterior of g, differ by {gap:.4g} from those of observer(); "
        "expected the same"
    )
