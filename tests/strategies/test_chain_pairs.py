"""Every two of our strategies in one Chain: each acts, or the two are refused, in both orders, with the reason."""

from collections.abc import Callable
from functools import cache
from itertools import combinations_with_replacement

import pytest
import torch
from torch import Tensor

import strategies
from plasticity import Batch, Learner, Reservoir, Strategy
from plasticity.checks.world import SPEC, world
from plasticity.core.optimizer import AdamW
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.prequential import Prequential, ScoredBatch
from plasticity.networks import MLP
from strategies import DER, EWC, MIR, Chain, Dream, Frozen, Kalman, LoRA, LwF, OLoRA, Replay

WORLD, STEPS = world(12), 12
UNSCORED = torch.zeros(0, 0, 0, 0)
BUSY: dict[str, dict[str, float]] = {
    "AGEM": {"samples": 1},
    "ContinualBackprop": {"rate": 0.1, "maturity": 1},
    "Dream": {"period": 1},
    "GDumb": {"period": 4, "steps": 3},
    "Gated": {"margin": -0.05},
    "HareTortoise": {"momentum": 0.9, "every": 3},
    "OLoRA": {"strength": 0.1},
    "OnlineLaplace": {"samples": 8},
    "ReDo": {"tau": 0.8, "every": 3},
    "SI": {"strength": 100.0},
    "ShrinkPerturb": {"shrink": 0.01, "sigma": 0.01},
    "Spectral": {"strength": 0.1},
}
"""Arguments by which each does much in a dozen steps; the others do by default."""
NAMES = sorted(
    name
    for name, cls in vars(strategies).items()
    if isinstance(cls, type) and issubclass(cls, Strategy) and cls not in (Chain, Strategy)
)


def build(name: str) -> Strategy:
    return getattr(strategies, name)(**BUSY.get(name, {}))


def begun(strategy: Strategy) -> OnlineLearner:
    """The learner before its first step; by then whoever is refused is refused."""
    torch.manual_seed(0)
    network = MLP(SPEC.vocab, SPEC.symbols, width=8, depth=1)
    made = OnlineLearner(network, strategy, AdamW(0.02), SPEC, asked=torch.from_numpy(WORLD.asked))
    made.attach()
    made.make_optimizer()
    return made


def learned(strategy: Strategy) -> Tensor:
    """All that is said of a dozen batches in three visits, by one who learns from them."""
    made, said = begun(strategy), list[Tensor]()
    loop = Prequential(made)
    for step in range(STEPS):
        batch, key = WORLD.keyed(step)
        item = ScoredBatch(step, WORLD.shifts(step), batch, key, UNSCORED)
        loop.prequential_step(item)
        said.append(made.network(batch.inputs).detach())
    return torch.cat(said)


@cache
def alone(name: str) -> Tensor:
    return learned(build(name))


@cache
def refusal(one: str, other: str) -> str:
    """Why the two do not learn together; nothing if they do."""
    try:
        begun(Chain([build(one), build(other)]))
    except ValueError as reason:
        return str(reason)
    return ""


def test_there_are_strategies():
    assert {"EWC", "Kalman", "LoRA", "Replay"} <= {*NAMES} and len(NAMES) > 25


PAIRS = [
    (b, a) if (i + j) % 2 and b != "Finetune" or a == "Finetune" else (a, b)
    for (i, a), (j, b) in combinations_with_replacement(enumerate(NAMES), 2)
]
"""Each two once: half of a strategy's pairs begin with it. Finetune is the second, which draws other numbers."""


@pytest.mark.parametrize("one", NAMES)
def test_each_of_two_acts_or_they_are_refused(one: str):
    """Finetune adds nothing to what descends anyway, and is nothing beside what does not."""
    for other in NAMES:
        if found := refusal(one, other):
            reason = f"{one} with {other}: {found}"
            assert "expected" in found or "do not put it beside" in found, reason
            assert one in found or other in found, reason
    for other in [b for a, b in PAIRS if a == one and not refusal(a, b)]:
        found = learned(Chain([build(one), build(other)]))
        assert torch.isfinite(found).all(), (one, other)
        for name, acts in ((one, other), (other, one)):
            if acts != "Finetune":
                assert not torch.equal(found, alone(name)), f"{acts} does not act beside {name}"
            elif name == one:
                assert torch.equal(found, alone(name))


def test_the_two_orders_are_refused_together():
    """What a pair cannot do does not hang on which of them stands first."""
    for one in NAMES:
        for other in NAMES:
            assert bool(refusal(one, other)) == bool(refusal(other, one)), (one, other)


def test_most_pairs_work():
    """Refused are those beside what shares no step; two that replace one hook; adapters with what counts weights."""
    refused = {(a, b) for a in NAMES for b in NAMES if refusal(a, b)}
    adapters = {"LoRA", "LoRAPool", "OLoRA"}
    unlike = {"ContinualBackprop", "ReDo", "GPM", *adapters}
    anchored = {name for name in NAMES if getattr(strategies, name).anchored}
    still = {"Frozen", "Kalman", "EvidenceMixture", "KalmanMixture", "LoFi", "MemoryInContext"}
    updates = {*still, "GDumb", "Gated", "LoRAPool", "IVON"}
    losses = {"SelfEdit", "SEAL", "ContextDistillation"}
    twice = {(a, b) for a in losses for b in losses}
    twice |= {(a, b) for a in ("IVON", "DynamicEvaluation") for b in ("IVON", "DynamicEvaluation")}
    expected = twice | {
        (a, b)
        for one in NAMES
        for two in NAMES
        for a, b in ((one, two), (two, one))
        if one in still
        or (one in updates and two in updates)
        or (one in adapters and two in unlike)
        or (one in ("LoRAPool", "OLoRA") and two in anchored)
        or (one == "InPlaceTTT" and two in ("InPlaceTTT", "LoRA", "ContinualBackprop", "ReDo"))
    }
    assert refused == expected


@pytest.mark.parametrize("still", [Frozen, Kalman])
def test_where_no_step_is_taken_what_acts_on_steps_is_refused_with_the_reason(
    still: Callable[[], Strategy],
):
    name = type(still()).__name__
    with pytest.raises(ValueError) as refusal:
        Chain([EWC(), still()])
    assert str(refusal.value) == (
        f"parts: {name} shares no gradient step, and EWC acts by `penalty`, which is then never done: "
        "expected one of them"
    )
    with pytest.raises(
        ValueError, match=f"^parts: {name} shares no gradient step, and Replay acts"
    ):
        Chain([Chain([still()]), Chain([Replay()])])


class Louder(Strategy):
    """Answers twice as surely."""

    def predict(self, learner: Learner, batch: Batch) -> Tensor:
        """Its logits, doubled."""
        return 2 * super().predict(learner, batch)


@pytest.mark.parametrize("still", [Frozen, Kalman])
def test_what_acts_without_steps_may_stand_beside_it(still: Callable[[], Strategy]):
    for parts in ([still(), Louder()], [Louder(), still()]):
        chain = Chain(parts)
        assert type(chain.replacing("predict")) is Louder
        assert type(chain.replacing("update")) is type(parts[0 if parts[1].descends else 1])


@pytest.mark.parametrize("name", ["EWC", "SI", "MAS", "OnlineLaplace", "L2Init", "HareTortoise"])
def test_one_regimes_adapter_is_not_pulled_to_anothers(name: str):
    for adapter in ("LoRAPool", "OLoRA"):
        assert f"at a shift {adapter} gives" in refusal(adapter, name)
        assert not refusal("LoRA", name)  # one adapter for good may be held


@pytest.mark.parametrize("kind", [LwF, Dream])
def test_the_old_answers_are_those_of_the_merged_network(kind: type[LwF] | type[Dream]):
    """Whichever stands first: OLoRA merges before the weights are noted, so nothing is counted twice."""
    for flip in (False, True):
        noting = kind()
        strategy = Chain([noting, OLoRA()] if flip else [OLoRA(), noting])
        torch.manual_seed(0)
        network = MLP(SPEC.vocab, SPEC.symbols, width=8, depth=1)
        made = OnlineLearner(network, strategy, AdamW(0.05), SPEC)
        made.attach()
        made.make_optimizer()
        for step in range(4):
            made.begin(step)
            made.learn(WORLD[step], made.predict(WORLD[step]))
        before = network(WORLD[4].inputs).detach()
        made.notify_shift()
        batch = WORLD[4].asking(torch.ones(SPEC.time, dtype=torch.bool))
        if isinstance(noting, Dream):
            old = noting.before(made, batch.inputs)
        else:
            old = noting.answers(made, batch)
        torch.testing.assert_close(old.detach(), before)


def offered(strategy: Strategy) -> list[Tensor]:
    """What the memories of its parts hold, in order, of one who was offered 80 sequences."""
    made = OnlineLearner(MLP(3, 3, width=4, depth=1), strategy, AdamW(0.01), SPEC)
    made.attach()
    made.make_optimizer()
    for step in range(20):
        made.begin(step)
        made.finish_batch(WORLD[step % STEPS])
    return [each.inputs for each in strategy.modules() if isinstance(each, Reservoir)]


@pytest.mark.parametrize("kind", [Replay, DER, MIR])
def test_parts_remember_what_they_drew_themselves(kind: Callable[[int], Strategy]):
    """Two of one kind hold different sequences; the first holds what it holds alone; and order is all that counts."""
    first, second, third = offered(Chain([kind(6), kind(6), kind(6)]))
    (single,) = offered(kind(6))
    assert torch.equal(first, single)
    assert not torch.equal(first, second) and not torch.equal(second, third)
    nested = offered(Chain([Chain([kind(6), kind(6)]), Chain([kind(6)])]))
    assert all(map(torch.equal, nested, (first, second, third)))


def test_a_part_alone_in_its_chain_draws_as_it_does_alone():
    for name in ("Replay", "ShrinkPerturb", "GDumb", "Joint", "LoRAPool", "OnlineLaplace"):
        assert torch.equal(learned(Chain([build(name)])), alone(name))


def test_adapters_are_put_on_before_others_look_whatever_the_order():
    """EWC's springs are on what is trained, and the same in both orders."""
    found = [learned(Chain(pair)) for pair in ([LoRA(), EWC()], [EWC(), LoRA()])]
    assert torch.equal(*found)
