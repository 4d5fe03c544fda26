"""What mixtures share, where an episode is learned from in pieces."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from plasticity import Batch
from plasticity.core.updates import Updates
from plasticity.networks import MLP
from strategies.evidence_mixture import EvidenceMixture
from strategies.kalman_mixture import KalmanMixture
from strategies.mixture import Mixture

from .mixing import regime
from .teaching import jog
from .tiny import learner

MIXTURES: dict[str, Any] = {
    "EvidenceMixture": lambda: EvidenceMixture(lr=0.05),
    "KalmanMixture": lambda: KalmanMixture(variance=1.0),
}


def lost(logits: Tensor, piece: Batch) -> float:
    """Nats on what a piece asks."""
    said = logits.double().log_softmax(-1)[:, piece.asked]
    return -float(said.gather(-1, piece.targets[:, piece.asked][..., None]).sum())


@pytest.mark.parametrize("kind", MIXTURES)
def test_an_episode_in_pieces_costs_at_most_the_prior_more_than_by_the_frozen_network(
    kind: str,
):
    strategy: Mixture = MIXTURES[kind]()
    made = learner(strategy, MLP)
    jog(made, by=1.0)
    made.updates = Updates("chunk", 2)
    over, births = [], 0
    for step in range(60):
        data = regime(
            int(torch.randint(3, (), generator=torch.Generator().manual_seed(step))), step
        )
        for episode in made.updates.episodes(data):
            made.begin(step)
            before, prior = strategy.born.tolist(), float(strategy.prior()[0])
            mine = base = 0.0
            for piece in made.updates.pieces(episode):
                mine += lost((said := made.predict(piece)).logits, piece)
                base += lost(made.network(piece.inputs), piece)
                made.learn(piece, said)
            made.finish_batch(episode)
            born = sum(a != b for a, b in zip(before, strategy.born.tolist(), strict=True))
            births += born
            over.append(mine - base + math.log(prior) - born * math.log(2))
    assert births > 1 and max(over) < 1e-4
    assert max(over) > -0.5  # near it: it is the bound that holds it


@pytest.mark.parametrize("kind", MIXTURES)
def test_each_piece_is_weighed_by_what_was_said_of_those_before_it(kind: str):
    """Bayes' rule by hand, over the answers as they were when each piece was predicted."""
    strategy: Mixture = MIXTURES[kind]()
    made = learner(strategy, MLP)
    jog(made, by=1.0)
    made.updates = Updates("chunk", 2)
    compared = 0
    for step in range(20):
        for episode in made.updates.episodes(regime(step // 10, step)):
            made.begin(step)
            posterior = strategy.prior().numpy().copy()
            for piece in made.updates.pieces(episode):
                owners = strategy.owners().tolist()
                with torch.no_grad():
                    answers = strategy.answers(made, piece.inputs)[:, 0].exp().double().numpy()
                w = np.array([posterior[who] / owners.count(who) for who in owners])
                w /= w.sum()
                said = made.predict(piece)
                for t in piece.asked.nonzero().flatten().tolist():
                    p = said.logits[0, t].softmax(-1).detach().numpy()
                    np.testing.assert_allclose(p, w @ answers[:, t], atol=1e-5)
                    w = w * answers[:, t, int(piece.targets[0, t])]
                    w /= w.sum()
                    compared += len(owners) > 1
                posterior = np.bincount(owners, w, minlength=len(posterior))
                before = strategy.born.tolist()
                made.learn(piece, said)
                for slot, was in enumerate(before):
                    if strategy.born[slot] != was:
                        posterior[0] /= 2
                        posterior[slot + 1] += posterior[0]
            made.finish_batch(episode)
    assert compared > 50
