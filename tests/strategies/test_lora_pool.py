"""A pool of adapters in worlds that return, among many, and under an alarm."""

import pytest
import torch

from plasticity import Batch, Detector, Strategy, Updates
from plasticity.core.optimizer import AdamW
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.prequential import Prequential
from plasticity.networks import LSTM, MLP, GatedDeltaNet, Mamba, Transformer
from strategies import LoRA
from strategies.lora_pool import LoRAPool

from .tiny import answered, batch, learner, unscored

NETWORKS = [Transformer, LSTM, Mamba, GatedDeltaNet, MLP]


def regime(turn: int, seed: int) -> Batch:
    """Each input is answered by the symbol `turn` places on."""
    data = batch(seed)
    return answered(data, (data.inputs + turn) % 3)


def student(strategy: Strategy, network: type = MLP) -> OnlineLearner:
    return learner(strategy, network, AdamW(0.05))


def live(made: OnlineLearner) -> int:
    assert isinstance(made.strategy, LoRAPool)
    return int(made.strategy.used.argmax())


def visit(
    made: OnlineLearner,
    turn: int,
    steps: int = 30,
    first: int = 0,
    detector: Detector | None = None,
) -> list[float]:
    """Losses on the batches of one visit, each predicted before it was learned from."""
    losses, loop = [], Prequential(made, detector=detector)
    for step in range(first, first + steps):
        data = regime(turn, step)
        losses.append(made.nll(made(data.inputs), data.targets, data.asked).item())
        loop.prequential_step(unscored(step, data, shift=step == first > 0))
    return losses


@pytest.mark.parametrize("network", NETWORKS)
def test_when_a_regime_returns_its_adapter_does(network: type):
    made, shared = student(LoRAPool(), network), student(LoRA(), network)
    was = []
    for turn, first in ((0, 0), (1, 20)):
        visit(shared, turn, 20, first)
        visit(made, turn, 20, first)
        was.append(live(made))
    assert was == [0, 1]
    learned, one = visit(made, 0, 2, 40), visit(shared, 0, 2, 40)
    assert live(made) == 0
    assert learned[0] > 1.0  # nobody said that A returns: its first batch is met with B's adapter
    assert learned[1] < 0.2 < 0.5 < one[1]  # the second one with A's


def test_a_returning_adapter_is_as_it_was_left_and_the_other_is_kept():
    made = student(LoRAPool())
    strategy = made.strategy
    assert isinstance(strategy, LoRAPool)
    visit(made, 0, 20)
    left = torch.cat([p.detach().flatten() for p in strategy.params()])
    visit(made, 1, 20, 20)
    other = torch.cat([p.detach().flatten() for p in strategy.params()])
    strategy.choose(made, regime(0, 99))
    assert torch.equal(torch.cat([p.detach().flatten() for p in strategy.params()]), left)
    assert torch.equal(strategy.pool[1], other)


def test_another_adapter_begins_without_the_moments_of_the_last_and_the_same_one_keeps_its_own():
    made = student(LoRAPool())
    strategy = made.strategy
    assert isinstance(strategy, LoRAPool)
    visit(made, 0, 20)
    moments = len(made.optimizer.state)
    before = made.state_dict()
    strategy.choose(made, regime(0, 99))  # a false alarm
    assert live(made) == 0 and len(made.optimizer.state) == moments == len(strategy.params())
    assert all(torch.equal(v, before[k]) for k, v in made.state_dict().items() if "network" in k)
    strategy.choose(made, regime(1, 99))
    assert live(made) == 1 and not made.optimizer.state


def test_a_fresh_adapter_is_the_network_as_it_was_and_no_two_read_alike():
    made = student(LoRAPool())
    strategy, data = made.strategy, regime(1, 99)
    assert isinstance(strategy, LoRAPool)
    pretrained = made(data.inputs).detach()
    visit(made, 0, 20)
    strategy.choose(made, data)
    torch.testing.assert_close(made(data.inputs).detach(), pretrained)
    made.step = 1000
    assert not torch.equal(strategy.fresh(made), strategy.pool[1])


def test_the_one_longest_out_of_use_gives_way():
    made = student(LoRAPool(slots=2))
    order = []
    for visits, turn in enumerate((0, 1, 0, 2, 0)):  # when 2 comes, 1 was used before 0 was
        visit(made, turn, 30, 30 * visits)
        order.append(live(made))
    assert order == [0, 1, 0, 1, 0]


def test_one_slot_holds_one_adapter():
    made = student(LoRAPool(slots=1))
    visits = [visit(made, turn, 30, 30 * i) for i, turn in enumerate((0, 1, 0))]
    assert live(made) == 0 and all(losses[-1] < 0.2 for losses in visits)
    assert visits[2][1] > 0.5  # it had to be learned again


def test_an_alarm_between_a_prediction_and_its_lesson_is_no_obstacle():
    class Always(Detector):
        def update(self, loss: float) -> bool:
            return True

    for updates in (Updates(), Updates("chunk", chunk=2, steps=2)):
        made = student(LoRAPool(slots=2))
        made.updates = updates
        visit(made, 0, 4, detector=Always())
        assert int(made.strategy.get_buffer("used").max()) > 4


def test_the_pool_chooses_by_asked_positions_only():
    made = learner(LoRAPool())
    strategy = made.strategy
    assert isinstance(strategy, LoRAPool)
    data = regime(0, 1)
    other = torch.where(data.asked, data.targets, (data.targets + 1) % 3)
    one, two = (
        strategy.tried(made, data._replace(targets=t), strategy.pool[0] + 0.5)
        for t in (data.targets, other)
    )
    assert one == two
