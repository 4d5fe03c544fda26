"""What is remembered counts by its own asked positions, in a world whose two tunnels ask at different ones."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from plasticity import IGNORE_INDEX, Batch, Learner, Strategy
from plasticity.checks.world import SMALL, SPEC, world
from plasticity.core.optimizer import SGD
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.pretrain import fresh_network
from strategies import DER, EWC, MAS, MIR, Chain, Dream, Joint, LwF, OnlineLaplace, SelfEdit

FIRST, SECOND = range(0, 4), range(4, 8)
"""Steps of the two regimes: of six positions, the first is asked at 1, 3 and 5, the second at 0 and 3."""
WORLD = world(16)


def learner(strategy: Strategy, seed: int = 3) -> OnlineLearner:
    """One who has met nothing, far from predicting uniformly."""
    made = OnlineLearner(
        fresh_network(SMALL, SPEC, 0), strategy, SGD(0.1), SPEC, asked=torch.from_numpy(WORLD.asked)
    )
    jog(made, seed)
    made.attach()
    made.make_optimizer()
    return made


def jog(made: OnlineLearner, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in made.network.parameters():
            p.add_(torch.randn(p.shape, generator=rng), alpha=0.3)


def remember(made: OnlineLearner, steps: Sequence[int]) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Offer these batches without learning; what they hold, as (inputs, targets, own positions)."""
    for step in steps:
        made.begin(step)
        made.finish_batch(WORLD[step])
    batches = [WORLD[step] for step in steps]
    x, y = (torch.cat([batch[i] for batch in batches]) for i in (0, 1))
    return [(a, b, (b != IGNORE_INDEX).nonzero()[:, 0]) for a, b in zip(x, y, strict=True)]


def log_likelihood(made: OnlineLearner, x: Tensor, y: Tensor, own: Tensor) -> Tensor:
    """Sum over its own positions of log p(y_t | x), by hand."""
    log_probs = made.network(x[None])[0].log_softmax(-1)
    return torch.stack([log_probs[t, y[t]] for t in own.tolist()]).sum()


def gradient(made: OnlineLearner, value: Tensor) -> Tensor:
    return parameters_to_vector(torch.autograd.grad(value, made.trainable()))


def test_the_world_asks_at_different_positions():
    held = [WORLD[step].asked.nonzero()[:, 0].tolist() for step in (0, 4)]
    assert held == [[1, 3, 5], [0, 3]] and WORLD.asked.sum() == 4


@pytest.mark.parametrize("steps", [FIRST, SECOND, range(8)], ids=["three", "two", "both"])
def test_ewc_information_is_per_asked_position(steps: range):
    strategy = EWC(samples=32)
    made = learner(strategy)
    sequences = remember(made, steps)
    squares = [gradient(made, log_likelihood(made, *each)) ** 2 for each in sequences]
    positions = sum(len(own) for _, _, own in sequences)
    strategy.on_shift(made)
    torch.testing.assert_close(strategy.fisher, sum(squares) / positions)


@pytest.mark.parametrize("steps", [FIRST, SECOND, range(8)], ids=["three", "two", "both"])
def test_mas_sensitivity_is_of_the_asked_logits(steps: range):
    strategy = MAS(samples=32)
    made = learner(strategy)
    sequences = remember(made, steps)
    slopes = [
        gradient(made, (made.network(x[None])[0] ** 2).sum(-1)[own].sum() / len(own)).abs()
        for x, _, own in sequences
    ]
    strategy.on_shift(made)
    torch.testing.assert_close(strategy.importance, sum(slopes) / len(slopes))


def test_mir_ranks_by_the_rise_per_asked_position():
    strategy = MIR(capacity=32, virtual=0.5)
    made = learner(strategy)
    sequences = remember(made, range(8))
    batch = WORLD[8]
    mean = made.nll(made.network(batch.inputs), batch.targets, batch.asked)
    grads = torch.autograd.grad(mean, made.trainable())
    inputs, targets = (torch.stack([each[i] for each in sequences]) for i in (0, 1))
    found = strategy.rise(made, grads, inputs, targets)
    losses = list[Tensor]()
    for _ in range(2):
        each = [-log_likelihood(made, *s).detach() / len(s[2]) for s in sequences]
        losses.append(torch.stack(each))
        with torch.no_grad():
            for p, g in zip(made.trainable(), grads, strict=True):
                p.sub_(0.5 * g)
    torch.testing.assert_close(found, losses[1] - losses[0], atol=1e-6, rtol=1e-4)


def test_der_keeps_the_logits_that_were_asked_and_no_others():
    strategy = DER(capacity=32, alpha=0.7, beta=0.0)
    made = learner(strategy)
    sequences = {tuple(x.tolist()): (x, own) for x, _, own in remember(made, range(8))}
    with torch.no_grad():
        was = {key: made.network(x[None])[0] for key, (x, _) in sequences.items()}
    jog(made, 4)
    made.begin(8)
    rehearsal = strategy.rehearse(made, 12)
    assert rehearsal is not None
    rows = [tuple(row.tolist()) for row in rehearsal.inputs]
    logits = made.network(rehearsal.inputs)
    squares = [
        (now - was[row])[sequences[row][1]].square().sum(-1)
        for row, now in zip(rows, logits, strict=True)
    ]
    assert len({len(each) for each in squares}) == 2  # sequences of both tunnels were drawn
    torch.testing.assert_close(rehearsal.loss(logits), 0.7 * torch.cat(squares).mean())


@pytest.mark.parametrize("steps", [FIRST, SECOND, range(8)], ids=["three", "two", "both"])
def test_online_laplace_draws_answers_only_where_it_is_asked(steps: range):
    """The diagonal is EWC's with drawn answers; the head's factors are those of softmax regression."""
    strategy = OnlineLaplace(samples=32)
    made = learner(strategy)
    sequences = remember(made, steps)
    positions, rng = sum(len(own) for _, _, own in sequences), strategy.rng(made)
    diagonal, force = torch.zeros_like(strategy.diagonal), torch.zeros(3, 3)
    for x, _, own in sequences:
        logits = made.network(x[None])
        drawn = strategy.answers(logits, rng)[0]
        value = log_likelihood(made, x, drawn, own)
        slopes = torch.autograd.grad(value, strategy.rest)
        diagonal += parameters_to_vector(slopes) ** 2 / positions
        p = logits[0, own].detach().softmax(-1)
        off = torch.nn.functional.one_hot(drawn[own], 3) - p
        force += off.T @ off / positions
    strategy.on_shift(made)
    torch.testing.assert_close(strategy.diagonal, diagonal)
    head = [i for i, each in enumerate(strategy.linear) if each.out_features == 3][-1]
    a, g = strategy.factors()[head]
    # One new product alone is kept as it is, but for what scales one factor against the other.
    features = torch.cat([inputs_of_head(made, x) for x, _, _ in sequences])
    ones = torch.cat([features, torch.ones(len(features), 1)], dim=1)
    exact = torch.kron(ones.T @ ones / len(ones), force)
    torch.testing.assert_close(torch.kron(a, g), exact, atol=1e-5, rtol=1e-3)


def inputs_of_head(made: OnlineLearner, x: Tensor) -> Tensor:
    seen = list[Tensor]()
    head = made.network.get_submodule("head")
    handle = head.register_forward_hook(lambda _, inputs, out: seen.append(inputs[0][0].detach()))
    made.network(x[None])
    handle.remove()
    return seen[0]


def test_dreams_are_asked_where_the_live_regime_is():
    """What follows a position at which it is not asked is the live sequence's own, and is not distilled."""
    strategy = Dream(weight=0.7, dreams=8, period=1)
    made = learner(strategy)
    remember(made, FIRST)
    made.notify_shift()
    batch = WORLD[4]  # asked at 0 and 3
    remember(made, [4])
    assert strategy.fed and len(strategy.pool) == len(batch.inputs)
    dreams = strategy.pool.inputs[: len(strategy.pool)]
    kept = torch.tensor([0, 2, 3, 5])  # 1 and 4 are the old network's
    assert torch.equal(dreams[:, kept], batch.inputs[:, kept])
    assert not torch.equal(dreams, batch.inputs)
    with torch.no_grad():
        before = {tuple(x.tolist()): made.network(x[None])[0].log_softmax(-1) for x in dreams}
    jog(made, 4)
    made.begin(5)
    rehearsal = strategy.rehearse(made, len(batch.inputs))
    assert rehearsal is not None
    logits = made.network(rehearsal.inputs)
    terms = list[Tensor]()
    for x, now in zip(rehearsal.inputs, logits.log_softmax(-1), strict=True):
        old = before[tuple(x.tolist())]
        terms += [(old[t].exp() * (old[t] - now[t])).sum() for t in (0, 3)]
    torch.testing.assert_close(rehearsal.loss(logits), 0.7 * torch.stack(terms).mean())


def both(made: OnlineLearner) -> Batch:
    """Sequences of both tunnels in one batch, as those that rehearse whole steps hand them on."""
    first, second = WORLD[0], WORLD[4]
    inputs, targets = (torch.cat([first[i], second[i]]) for i in (0, 1))
    return Batch(inputs, targets, made.asked)


def own(batch: Batch) -> list[tuple[int, int]]:
    return [(int(i), int(t)) for i, t in (batch.targets != IGNORE_INDEX).nonzero()]


def test_lwf_distils_where_each_sequence_is_asked():
    strategy = LwF(strength=0.5, temperature=2.0)
    made = learner(strategy)
    made.notify_shift()
    batch = both(made)
    old = made.network(batch.inputs).detach()
    jog(made, 4)
    new = made.network(batch.inputs)
    p, q = ((logits / 2).log_softmax(-1) for logits in (old, new))
    each = [(p[at].exp() * (p[at] - q[at])).sum() for at in own(batch)]
    found = strategy.penalty(made, batch, new)
    torch.testing.assert_close(found, 0.5 * 4 * torch.stack(each).mean())


def test_self_edit_averages_over_the_asked_positions_of_each():
    strategy = SelfEdit(temperature=0.0)
    made = learner(strategy)
    batch = both(made)
    log_probs = made.network(batch.inputs).log_softmax(-1)
    right = [
        log_probs[i, t].max() * (log_probs[i, t].argmax() == batch.targets[i, t])
        for i, t in own(batch)
    ]
    found = strategy.loss(made, batch, made.network(batch.inputs))
    torch.testing.assert_close(found, -torch.stack(right).mean())


def test_what_others_rehearse_reaches_the_parts_of_a_chain_as_it_was_asked():
    """A pass of Joint after a shift is LwF's too: one step, by hand, on sequences of both tunnels."""
    batches = list[Batch]()

    class Noted(LwF):
        def penalty(self, learner: Learner, batch: Batch, logits: Tensor) -> Tensor | float:
            batches.append(batch)
            found = super().penalty(learner, batch, logits)
            if self.shifted:
                old = self.answers(learner, batch).log_softmax(-1)
                q = logits[:, batch.asked].log_softmax(-1)
                mine = batch.targets[:, batch.asked] != IGNORE_INDEX
                exact = (old.exp() * (old - q)).sum(-1)[mine].mean() / 2
                torch.testing.assert_close(found, exact)
            return found

    made = learner(Chain([Joint(passes=1), Noted(strength=0.5, temperature=1.0)]))
    for step in range(8):
        made.begin(step)
        if step == 4:
            made.notify_shift()
        made.learn(WORLD[step], made.predict(WORLD[step]))
        made.finish_batch(WORLD[step])
    mixed = [
        batch for batch in batches if len({*(batch.targets != IGNORE_INDEX).sum(1).tolist()}) > 1
    ]
    assert len(mixed) > 2
