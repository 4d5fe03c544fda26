"""A mixture in a world of two regimes, and what it must say by Bayes' rule in NumPy."""

from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.utils import vector_to_parameters

from plasticity import Batch, Strategy
from plasticity.core.optimizer import AdamW
from plasticity.engine.learner import OnlineLearner
from plasticity.networks import MLP
from strategies.evidence_mixture import EvidenceMixture

from .teaching import meet
from .tiny import ASKED, answered, batch, learner


def regime(turn: int, seed: int) -> Batch:
    """Each input is answered by the symbol `turn` places on."""
    data = batch(seed)
    return answered(data, (data.inputs + turn) % 3)


def mixture(made: OnlineLearner) -> EvidenceMixture:
    assert isinstance(made.strategy, EvidenceMixture)
    return made.strategy


def student(strategy: Strategy | None = None, network: type = MLP) -> OnlineLearner:
    return learner(strategy or EvidenceMixture(lr=0.03, rehearsal=1), network, AdamW(0.03))


def visit(made: OnlineLearner, turn: int, first: int, steps: int = 20) -> int:
    """The likeliest at the end of a visit that nobody announces: 0, or an expert's slot from 1."""
    for step in range(first, first + steps):
        meet(made, step, regime(turn, step))
    return int(mixture(made).belief.argmax())


def grown(network: type = MLP, **arguments: Any) -> OnlineLearner:
    """One with two experts, neither of which is sure of anything yet."""
    made = student(EvidenceMixture(lr=0.02, rehearsal=1, **arguments), network)
    for step, turn in enumerate((0,) * 10 + (1, 1, 1, 1, 1, 0, 1)):
        meet(made, step, regime(turn, step))
    return made


class Answer(NamedTuple):
    """Who answers, and how: no code of the mixture's."""

    owner: int
    prior: float
    said: np.ndarray
    """(batch, time, symbols) probabilities."""


def by_hand(made: OnlineLearner, data: Batch) -> list[Answer]:
    """The frozen network; the average of every expert; and the weights of those that were responsible last."""
    strategy = mixture(made)
    last = strategy.responsible.tolist()
    born = [slot for slot, step in enumerate(last) if step]
    rows = {slot: [strategy.held.average[slot]] for slot in born}
    for slot in born:
        if last[slot] == max(last) and int(strategy.held.settled[slot]) < 2 * strategy.unsettled:
            rows[slot].append(strategy.held.weights[slot])

    def said(network: nn.Module) -> np.ndarray:
        with torch.no_grad():
            return network(data.inputs).double().softmax(-1).numpy()

    def prior(owner: int) -> float:
        shared = (1 - strategy.share) * float(strategy.belief[owner])
        shared += strategy.share / (1 + len(born))
        return (1 - strategy.floor) * shared + strategy.floor * (owner == 0)

    answers = [Answer(0, prior(0), said(made.network))]
    for slot, own in rows.items():
        for row in own:
            copy = deepcopy(made.network)
            vector_to_parameters(row.clone(), [copy.get_parameter(n) for n in strategy.names])
            answers.append(Answer(slot + 1, prior(slot + 1) / len(own), said(copy)))
    return answers


def mixed(answers: list[Answer], data: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Bayes' rule, symbol by symbol.

    Returns:
        the mixture's probabilities (batch, time, symbols); the posterior over owners after each sequence (3, batch).
    """
    said, prior = np.array([a.said for a in answers]), np.array([a.prior for a in answers])
    targets = data.targets.numpy()
    found, after = np.zeros(said.shape[1:]), np.zeros((3, len(targets)))
    for i in range(len(targets)):
        w = prior / prior.sum()
        for t in range(targets.shape[1]):
            found[i, t] = w @ said[:, i, t]
            if ASKED[t]:
                w = w * said[:, i, t, targets[i, t]]
                w /= w.sum()
        for answer, share in zip(answers, w, strict=True):
            after[answer.owner, i] += share
    return found, after
