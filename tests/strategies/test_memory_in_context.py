"""Memory in context against Bayes' rule in NumPy, before a network that infers exactly; unannounced returns."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from plasticity import Batch, Network, Strategy, Updates
from plasticity.engine.learner import OnlineLearner
from plasticity.networks import LSTM, Transformer
from strategies.memory_in_context import MemoryInContext

from .teaching import jog, meet
from .tiny import ASKED, learner


class Counting(Network):
    """Infers a chain in context: log(1/4 + how often each symbol followed this one so far)."""

    def __init__(self, vocab: int, symbols: int, width: int = 1, depth: int = 1):
        super().__init__(vocab, symbols)
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, inputs: Tensor) -> Tensor:
        """Counts of pairs that were seen whole."""
        one = F.one_hot(inputs, 3).float()
        pairs = F.pad(one[:, :-1, :, None] * one[:, 1:, None], (0, 0, 0, 0, 1, 0)).cumsum(1)
        return self.scale * (0.25 + (one[..., None] * pairs).sum(2)).log()


def chain(turn: int, seed: int, size: int = 4) -> Batch:
    """Walks that go `turn` places on."""
    first = torch.randint(0, 3, (size, 1), generator=torch.Generator().manual_seed(seed))
    inputs = (first + turn * torch.arange(5)) % 3
    return Batch(inputs, (inputs + turn) % 3, ASKED).asking(ASKED)


def memory(made: OnlineLearner) -> MemoryInContext:
    assert isinstance(made.strategy, MemoryInContext)
    return made.strategy


def student(network: type = Counting, **arguments: int | float) -> OnlineLearner:
    return learner(MemoryInContext(**{"episodes": 6, **arguments}), network)


def grown(network: type = Counting, **arguments: int | float) -> OnlineLearner:
    """Two memories of at most six episodes, the second with four."""
    made = student(network, **arguments)
    for step, turn in enumerate((1, 1, 2)):
        meet(made, step, chain(turn, step))
    return made


def by_hand(made: OnlineLearner, contexts: list[Tensor], prior: list[float], data: Batch):
    """Bayes' rule, symbol by symbol: the mixture (batch, time, symbols), and the posterior (batch, memories)."""
    found, after = np.zeros((len(data.inputs), 5, 3)), np.zeros((len(data.inputs), len(prior)))
    for i, (x, y) in enumerate(zip(data.inputs, data.targets.tolist(), strict=True)):
        rows = [torch.cat([context, x])[None] for context in contexts]
        with torch.no_grad():
            said = np.stack([made.network(r)[0, -5:].double().softmax(-1).numpy() for r in rows])
        w = np.array(prior)
        for t in range(5):
            found[i, t] = w @ said[:, t]
            if ASKED[t]:
                w = w * said[:, t, y[t]] / (w @ said[:, t, y[t]])
        after[i] = w
    return found, after


@pytest.mark.parametrize("network", [Counting, Transformer, LSTM])
def test_predictions_are_the_mixture_over_memories(network: type):
    made = student(network, share=0.1, floor=0.05)
    if network is not Counting:
        jog(made)
    strategy, episodes = memory(made), [chain(turn, turn).inputs for turn in (1, 2)]
    for slot, rows in enumerate(episodes):
        strategy.inputs[slot, : len(rows)] = rows
        strategy.received[slot], strategy.latest[slot] = len(rows), slot + 1
    strategy.belief[:3] = torch.tensor([0.2, 0.7, 0.1])
    prior = [0.95 * (0.9 * b + 0.1 / 3) + 0.05 * (i == 0) for i, b in enumerate((0.2, 0.7, 0.1))]
    contexts = [torch.zeros(0, dtype=torch.int64), *(rows.flatten() for rows in episodes)]
    data = chain(2, 99)
    expected, after = by_hand(made, contexts, prior, data)
    np.testing.assert_allclose(strategy.predict(made, data).exp().numpy(), expected, atol=1e-5)
    assert not np.allclose(expected[:, -1], expected[:, 0], atol=0.05)
    if network is Counting:
        assert after.argmax(1).tolist() == [2] * 4
    meet(made, 7, data)
    if not after[:, 0].mean() > 0.5:
        np.testing.assert_allclose(strategy.belief[:3].numpy(), after.mean(0), atol=1e-6)


def test_a_regime_that_returns_unannounced_finds_its_memory():
    made = student()
    order = list[int]()
    for step in range(24):
        meet(made, step, chain(1 + step // 6 % 2, step))
        order.append(int(memory(made).belief.argmax()))
    assert order == [1] * 6 + [2] * 6 + [1] * 6 + [2] * 6
    assert memory(made).alive() == [0, 1]


def test_a_memory_holds_the_latest_episodes_of_its_regime_and_no_other():
    made = grown()
    assert memory(made).received.tolist()[:2] == [8, 4]
    latest = torch.cat([chain(1, 0).inputs, chain(1, 1).inputs])[2:]
    assert torch.equal(memory(made).context(0), latest.flatten())
    assert torch.equal(memory(made).context(1), chain(2, 2).inputs.flatten())


def test_where_there_is_no_room_the_one_longest_without_an_episode_goes():
    made = student(memories=2)
    for step, turn in enumerate((1, 2, 1, 0)):
        meet(made, step, chain(turn, step))
    strategy = memory(made)
    assert torch.equal(strategy.context(1), chain(0, 3).inputs.flatten())
    assert int(strategy.received[0]) == 8 and int(strategy.belief.argmax()) == 2


def test_an_unnoticed_shift_costs_an_episode_at_most_its_prior():
    made, data = grown(), chain(0, 99)
    asked = data.targets[:, ASKED][..., None]
    with torch.no_grad():
        mine, base = (
            logits.log_softmax(-1)[:, ASKED].gather(-1, asked).sum((1, 2))
            for logits in (made.strategy.predict(made, data), made.network(data.inputs))
        )
    bound = -float(memory(made).prior()[0].log())
    assert (base - mine <= bound + 1e-5).all() and (base - mine).max() > 0.3 * bound


def test_told_of_a_shift_it_takes_all_for_equally_likely():
    made = grown()
    made.notify_shift()
    assert memory(made).belief.tolist() == pytest.approx([1 / 3] * 3 + [0] * 6)


def test_pieces_of_an_episode_weigh_as_the_whole():
    one, other = grown(), grown()
    data = chain(2, 9, size=1)
    meet(one, 3, data)
    other.updates = Updates("chunk", 2)
    other.begin(3)
    said = list[Tensor]()
    for piece in other.updates.pieces(data):
        prediction = other.predict(piece)
        said.append(prediction.logits[:, piece.asked])
        other.learn(piece, prediction)
    other.finish_batch(data)
    whole = grown()
    expected = whole.strategy.predict(whole, data)[:, ASKED]
    torch.testing.assert_close(torch.cat(said, 1), expected)
    for name, buffer in one.strategy.named_buffers():
        torch.testing.assert_close(other.strategy.get_buffer(name), buffer)


def test_the_weights_stay_as_they_were():
    before = student(Transformer).network.state_dict()
    after = grown(Transformer).network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_network_that_takes_no_such_context_is_refused():
    class Short(Transformer):
        def __init__(self, vocab: int, symbols: int, width: int, depth: int):
            super().__init__(vocab, symbols, width, depth, positions="learned", context=20)

    with pytest.raises(ValueError, match="^MemoryInContext: 6 episodes and the live one are 35"):
        student(Short)
    assert isinstance(student(Short, episodes=3).strategy, Strategy)
