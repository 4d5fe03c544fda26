"""Revised worlds: every change is one, in whatever world a seed draws; what no world allows is refused."""

import numpy as np
import pytest

from plasticity import LATENT
from streams import SCM, CounterfactualSCM, Revised
from streams.causal.causal_tunnel import CausalTunnel
from streams.causal.graphs import joint

TUNNELS = [SCM(variables=3), SCM(variables=4), CounterfactualSCM(variables=3, noise=0.2)]


def world(tunnel: CausalTunnel, seed: int) -> Revised:
    return Revised([tunnel], time=tunnel.ladder.block * 2 * len(tunnel.asks), seed=seed)


@pytest.mark.parametrize("tunnel", TUNNELS, ids=repr)
def test_every_change_alters_a_law(tunnel: CausalTunnel):
    """By the definition of what is done, for every variable that may be set; 24 of 25 seeds had one that did not."""
    for seed in range(12):
        stream = world(tunnel, seed)
        first = tunnel.mechanisms.known(stream.latent(0), None)
        for regime in (1, 2, 3):
            other = tunnel.mechanisms.known(stream.latent(regime), None)
            far = [
                np.abs(joint(first, done) - joint(other, done)).max()
                for done in [None, *(np.array([v]) for v in range(tunnel.variables))]
            ]
            assert max(far) > 1e-9, (seed, stream.changes[regime - 1])


def test_a_common_cause_is_added_in_every_world():
    """Two arrows more than before, out of one variable."""
    for seed in range(12):
        stream = world(SCM(variables=3), seed)
        before, after = (stream.latent(regime)[0, -1, :3].astype(int) for regime in (0, 3))
        new = after & ~before
        assert (before & ~after == 0).all() and sum(int(m).bit_count() for m in new) == 2
        assert len({int(m) for m in new if m}) == 1


def test_the_first_world_is_the_first_draw_that_will_do():
    """Of the prior; and the draw itself where that one will."""
    kept = 0
    for seed in range(12):
        stream = world(SCM(variables=4), seed)
        rng = stream.rng(LATENT, 0)
        draws = [stream.causal.latents(1, rng) for _ in range(200)]
        place = [np.array_equal(each, stream.latent(0)) for each in draws].index(True)
        kept += not place
    assert 0 < kept < 12


def test_a_change_that_alters_no_world_is_refused():
    """Two variables have no room for a common cause."""
    tunnel = SCM(variables=2)
    with pytest.raises(ValueError, match="^changes: confounder alters nothing in 1000 of 1000"):
        Revised([tunnel], ["mechanism", "confounder"], time=tunnel.ladder.block * 2)


def test_two_variables_may_be_revised_otherwise():
    tunnel = SCM(variables=2)
    stream = Revised([tunnel], ("mechanism", "reversal"), time=tunnel.ladder.block * 2)
    assert stream.regimes == 3
