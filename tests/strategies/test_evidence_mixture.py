"""The mixture against Bayes' rule in NumPy, its experts against Adam; regimes that return unannounced."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from plasticity import Batch, Strategy, Updates
from plasticity.core.optimizer import AdamW
from plasticity.core.predictors import AMNESIC, CONTINUAL
from plasticity.core.stream import Stream
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.prequential import Prequential
from plasticity.networks import LSTM, MLP, GatedDeltaNet, Mamba, Transformer
from strategies import Finetune
from strategies.evidence_mixture import CLAIM, EvidenceMixture
from streams import Markov, Recurring

from .mixing import Answer, by_hand, grown, mixed, mixture, regime, student, visit
from .teaching import meet
from .tiny import ASKED, answered, batch, learner

NETWORKS = [Transformer, LSTM, Mamba, GatedDeltaNet, MLP]
KINDS = ["copy", "lora", "readout"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("network", NETWORKS)
def test_predictions_are_the_mixture_of_its_experts(network: type, kind: Any):
    made, data = grown(network, expert=kind, share=0.1, floor=0.05), regime(1, 99)
    answers = by_hand(made, data)
    assert len(answers) == 4 and sum(a.prior for a in answers) == pytest.approx(1)
    expected, after = mixed(answers, data)
    found = made.strategy.predict(made, data)
    np.testing.assert_allclose(found.exp().numpy(), expected, atol=1e-5)
    assert np.abs(expected - answers[0].said).max() > 0.05 and after.max() < 0.999


def test_belief_is_the_mean_responsibility_and_the_frozen_networks_share_is_never_below_the_floor():
    made, data = grown(share=0.1, floor=0.05), regime(0, 99)
    _, after = mixed(by_hand(made, data), data)
    meet(made, 17, data)
    strategy = mixture(made)
    np.testing.assert_allclose(strategy.belief[:3].numpy(), after.mean(1), atol=1e-6)
    assert not strategy.belief[3:].any() and strategy.prior()[0] >= 0.05


@pytest.mark.parametrize("momentum, answers", [(0.9, 4), (0.0, 3)])
def test_what_answers(momentum: float, answers: int):
    made = grown(momentum=momentum)
    assert len(mixture(made).answers(made, batch(1).inputs)) == answers


def test_a_sequence_costs_at_most_the_prior_more_than_by_the_frozen_network():
    made, data = student(), regime(2, 99)
    for turn in (0, 1):
        visit(made, turn, 30 * turn, 30)
    strategy, network = mixture(made), made.network
    asked = data.targets[:, ASKED][..., None]
    mine, base = (
        logits.log_softmax(-1)[:, ASKED].gather(-1, asked).sum((1, 2)).detach()
        for logits in (strategy.predict(made, data), network(data.inputs))
    )
    bound = -float(strategy.prior()[0].log())
    assert (base - mine <= bound + 1e-5).all() and (base - mine).max() > 0.5 * bound


def test_experts_descend_the_responsibility_weighted_loss_by_adam():
    """The first from its birth, the second beside it: one step a batch, rows weighed by hand, a torch optimizer."""
    made = student(
        EvidenceMixture(lr=0.01, settling=1e12, unsettled=0, rehearsal=0, momentum=0.0, experts=1)
    )
    copy = deepcopy(made.network).requires_grad_(True)
    adam = torch.optim.Adam(copy.parameters(), 0.01, betas=(0.9, 0.99))
    strategy = mixture(made)
    for step in range(4):
        data = regime(step % 2, step)
        if step:
            odds = (
                f(data.inputs).double().softmax(-1).detach().numpy() for f in (made.network, copy)
            )
            priors = strategy.prior().tolist()
            _, after = mixed([Answer(e, priors[e], p) for e, p in enumerate(odds)], data)
            r = after[1]
            assert after[0].mean() < 0.5 and np.ptp(r) > 1e-3  # none is born, and rows differ
        else:
            r = np.ones(4)
        log_p = copy(data.inputs).log_softmax(-1)[:, ASKED]
        each = -log_p.gather(-1, data.targets[:, ASKED][..., None]).mean((1, 2))
        adam.zero_grad()
        ((torch.tensor(r).float() * each).sum() / r.sum()).backward()
        adam.step()
        meet(made, step, data)
        theta = torch.cat([p.detach().flatten() for p in copy.parameters()])
        torch.testing.assert_close(strategy.held.weights[0], theta, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_regime_that_returns_unannounced_finds_its_expert(kind: Any):
    made = student(EvidenceMixture(lr=0.03, expert=kind))
    assert [visit(made, turn, 20 * i) for i, turn in enumerate((0, 1, 0, 1))] == [1, 2, 1, 2]


def skill(strategy: Strategy) -> float:
    """In a world of two hidden chains, A B A B, nothing announced, from a network that knows nothing."""
    stream: Stream = Recurring(
        [Markov(symbols=3, concentration=0.3)], regimes=2, period=40, steps=160, batch=8, time=12
    )
    torch.manual_seed(0)
    network = MLP(stream.vocab, stream.symbols, width=16, depth=1)
    spec = learner(Strategy()).spec._replace(batch=8, time=12)
    made = OnlineLearner(network, strategy, AdamW(0.01), spec)
    data, loop = StreamDataModule(stream, 160), Prequential(made, announce_shifts=False)
    loop.setup("fit")
    loop.configure_optimizers()
    for chunk in data.train_dataloader():
        loop.training_step(data.on_before_batch_transfer(chunk, 0))
    kl = torch.stack([each.scores[0] for each in loop.records]).mean(0)
    model, continual, amnesic = kl[0], kl[1 + CONTINUAL], kl[1 + AMNESIC]
    return float((amnesic - model) / (amnesic - continual))


def test_where_shifts_are_hidden_it_has_far_more_skill_than_finetune():
    assert skill(EvidenceMixture(lr=0.01)) > skill(Finetune()) + 0.3


def test_the_one_longest_without_responsibility_gives_way_and_its_memory_is_cleared():
    made = student(EvidenceMixture(experts=2, rehearsal=1, lr=0.03))
    order = [visit(made, turn, 20 * i) for i, turn in enumerate((0, 1, 0, 2))]
    assert order == [1, 2, 1, 2]
    memory = mixture(made).memory(1)
    inputs, targets = memory.inputs[: len(memory)], memory.targets[: len(memory)]
    assert len(memory) and (targets == ((inputs + 2) % 3).where(ASKED, -100)).all()


def test_each_remembers_what_it_is_responsible_for():
    made = student()
    for turn in (0, 1):
        visit(made, turn, 20 * turn)
    for turn in (0, 1):
        memory = mixture(made).memory(turn)
        inputs, targets = (
            each[: len(memory)][:, ASKED] for each in (memory.inputs, memory.targets)
        )
        assert len(memory) > 50 and (targets == (inputs + turn) % 3).all()


def test_told_of_a_shift_it_takes_all_that_are_alive_for_equally_likely():
    made = grown()
    made.notify_shift()
    assert mixture(made).belief.tolist() == pytest.approx([1 / 3] * 3 + [0] * 6)


def test_a_row_counts_by_itself_where_a_batch_is_of_two_regimes():
    made = student()
    for turn in (0, 1):
        visit(made, turn, 20 * turn)
    one, other = regime(0, 98), regime(1, 99)
    inputs, targets = (torch.cat(pair) for pair in zip(one[:2], other[:2], strict=True))
    both = Batch(inputs, targets, ASKED)
    strategy = mixture(made)
    strategy.predict(made, both)
    assert strategy.seen is not None
    r = strategy.responsibilities(strategy.seen[1])
    assert (
        (r[1, :4] > CLAIM).all() and (r[2, 4:] > CLAIM).all() and r.sum(0).allclose(r.new_ones(8))
    )


def test_what_is_learned_in_pieces_is_remembered_whole():
    made = student()
    made.updates = Updates("chunk", 2)
    for step in range(20):
        for episode in made.updates.episodes(regime(0, step)):
            made.begin(step)
            for piece in made.updates.pieces(episode):
                made.learn(piece, made.predict(piece))
            made.finish_batch(episode)
    strategy = mixture(made)
    memories = [strategy.memory(slot) for slot in strategy.alive()]
    assert sum(int(memory.seen) for memory in memories) >= 80  # of 20 batches of 4
    for memory in memories:
        inputs, targets = (each[: len(memory)] for each in (memory.inputs, memory.targets))
        assert (targets == inputs.where(ASKED, -100)).all()


def test_it_goes_on_from_a_checkpoint_to_the_bit():
    one, other = grown(), student(EvidenceMixture(lr=0.02, rehearsal=1))
    other.load_state_dict(one.state_dict())
    for made in (one, other):
        for step in (17, 18):
            meet(made, step, regime(1, step))
    data = regime(0, 99)
    assert torch.equal(*(made.strategy.predict(made, data) for made in (one, other)))


class Headless(MLP):
    """Its logits are no linear layer's own output."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(inputs)


def test_a_readout_of_a_network_without_a_head_is_refused_by_its_name():
    with pytest.raises(ValueError, match="^EvidenceMixture: Headless has no nn.Linear"):
        student(EvidenceMixture(expert="readout"), Headless)


def test_the_network_itself_stays_as_it_was():
    made = student()
    before = deepcopy(made.network)
    visit(made, 0, 0)
    pairs = zip(before.parameters(), made.network.parameters(), strict=True)
    assert isinstance(made.network, nn.Module) and all(torch.equal(*pair) for pair in pairs)


def test_within_ten_steps_of_a_birth_the_newborn_learns_what_nobody_knows():
    made = student()
    visit(made, 0, 0, 5)
    assert visit(made, 1, 5, 2) == 1 and mixture(made).alive() == [0]  # step 6 is the seventh
    fresh = student()
    visit(fresh, 0, 0, 10)
    assert visit(fresh, 1, 10, 2) == 2 and mixture(fresh).born.tolist()[:2] == [1, 11]


def test_a_settled_expert_answers_by_its_average_alone_until_its_regime_moves():
    """Half of the answers change where the mixture does not notice that the regime is another."""
    made = student(EvidenceMixture(lr=0.03, experts=1, floor=0.0, share=0.0, unsettled=8))
    for step in range(30):
        meet(made, step, regime(0, step))
    strategy = mixture(made)
    assert len(strategy.answering()) == 1 and strategy.held.settled[0] == strategy.held.taken[0]
    moved = strategy.held.taken[0].item()
    for step in range(30, 36):
        data = regime(0, step)
        meet(made, step, answered(data, data.targets.where(data.inputs != 0, 1)))
    assert strategy.held.taken[0] - moved >= 6 and strategy.held.settled[0] < moved // 2
    assert len(strategy.answering()) == 2


def test_an_unsettled_expert_takes_one_step_more_on_each_batch():
    made = student(EvidenceMixture(lr=1e-4, steps=1, unsettled=5))
    visit(made, 0, 0, 4)
    assert mixture(made).held.taken[0] == 2 + 2 + 2 + 1


def test_of_an_episode_in_pieces_each_is_learned_from_once():
    """A piece holds all that came before it; that weighs the experts, and is not learned from again."""
    made, data = grown(), regime(0, 99)
    first, *_, last = Updates("chunk", 2).pieces(data)
    assert (
        last.inputs.shape[1] > first.inputs.shape[1]
        and not last.asked[: first.inputs.shape[1]].any()
    )
    other = last.targets.clone()
    other[:, : first.inputs.shape[1]] = (other[:, : first.inputs.shape[1]] + 1) % 3
    rows = []
    for targets in (last.targets, other):
        twin = deepcopy(made)
        mixture(twin).descend(twin, 0, last._replace(targets=targets), torch.ones(4).double(), 0)
        rows.append(mixture(twin).held.weights[0])
    assert torch.equal(*rows) and not torch.equal(rows[0], mixture(made).held.weights[0])


def test_in_pieces_too_an_expert_is_unsettled_by_its_regime_alone():
    made = student(EvidenceMixture(lr=0.003, experts=1, momentum=0.9))
    made.updates = Updates("chunk", 2)
    for step in range(30):
        made.begin(step)
        for episode in made.updates.episodes(regime(0, step)):
            for piece in made.updates.pieces(episode):
                made.learn(piece, made.predict(piece))
            made.finish_batch(episode)
    adam = mixture(made).held
    assert adam.settled[0] == adam.taken[0] > 60
