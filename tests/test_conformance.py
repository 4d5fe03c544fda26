"""Every first-party tunnel, strategy and network passes the kit that a stranger's must pass."""

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any

import pytest

import plasticity.networks
import strategies
import streams
from plasticity import Network, Recipe, Strategy, Tunnel, recipe
from plasticity.checks import parametrize_with_checks
from plasticity.networks import LSTM, MLP, Mamba, Transformer
from strategies import (
    AGEM,
    DER,
    EWC,
    GPM,
    MAS,
    MIR,
    SI,
    UPGD,
    Chain,
    ContinualBackprop,
    Dream,
    DynamicEvaluation,
    Finetune,
    Frozen,
    Gated,
    GDumb,
    HareTortoise,
    Joint,
    Kalman,
    L2Init,
    LoRA,
    LoRAPool,
    LwF,
    OLoRA,
    OnlineLaplace,
    ReDo,
    Replay,
    SelfEdit,
    ShrinkPerturb,
    Spectral,
)
from streams import (
    HMM,
    SCM,
    BeliefRevision,
    Bijection,
    Binding,
    ChangePoint,
    ContextTree,
    Conversation,
    CounterfactualSCM,
    FilteringHMM,
    Laws,
    Markov,
    Padded,
    Recall,
    Recurrence,
    StickyMarkov,
    Topics,
    Urn,
)

TUNNELS = [
    Conversation(aggregates=1, columns=1, teams=2, venues=2, requests=2),
    SCM(variables=2),
    CounterfactualSCM(variables=2, asks=["association", "counterfactual"]),
    Laws(modulus=2, longest=8.0, noise=0.3),
    Topics(symbols=3, topics=2, concentration=0.5, strength=3.0),
    Padded(Markov(2, 0.5), vocab=4, symbols=3, length=4),
    Urn([0.5, 1.0, 2.0]),
    Markov(symbols=3, concentration=0.5),
    Bijection(size=4, pairs=3),
    Bijection(size=3, pairs=4, replacement=True),
    Binding(size=3, pairs=3),
    HMM(states=2, symbols=3, library=3),
    HMM(states=2, symbols=3, library=3, share="transition"),
    Recurrence(modulus=5),
    FilteringHMM(states=2, emissions=2, steps=2),
    FilteringHMM(states=2, emissions=3, steps=2, ask="state"),
    Recall(keys=4, values=2, pairs=2, queries=2, noise=0.3, unstored=0.5),
    Recurrence(modulus=3, encoding="opaque", symbols=4, horizon=2, density=0.3),
    Recurrence(modulus=3, encoding="shuffled", items=4),
    ChangePoint(symbols=2, hazards=[0.0, 0.4]),
    ContextTree(symbols=2, depth=2),
    StickyMarkov(symbols=4, library=3),
    BeliefRevision(candidates=3, evidence=2, filler=0, concentration=0.5),
]
STRATEGIES = [
    recipe(AGEM, capacity=10, samples=4),
    recipe(Chain, parts=[recipe(EWC, samples=4), recipe(Replay, capacity=10)]),
    recipe(ContinualBackprop, rate=0.2, maturity=1),
    recipe(DER, capacity=10),
    recipe(Dream, period=2),
    recipe(DynamicEvaluation),
    recipe(EWC, samples=4, decay=0.5),
    recipe(EWC, samples=4, form="separate"),
    recipe(Finetune),
    recipe(Frozen),
    recipe(Gated),
    recipe(GDumb, capacity=10, period=4, steps=4),
    recipe(GPM, samples=4),
    recipe(HareTortoise, every=4, momentum=0.7),
    recipe(Joint, capacity=60),
    recipe(Kalman),
    recipe(L2Init, strength=0.1),
    recipe(LoRA, rank=1),
    recipe(LoRAPool, rank=1, slots=2),
    recipe(LwF),
    recipe(MAS, samples=4),
    recipe(MIR, capacity=20),
    recipe(OLoRA, rank=1),
    recipe(OnlineLaplace, samples=4),
    recipe(ReDo, tau=0.5, every=3, samples=6),
    recipe(Replay, capacity=10),
    recipe(SelfEdit),
    recipe(ShrinkPerturb, when="shift", shrink=0.5, sigma=0.1),
    recipe(SI),
    recipe(Spectral),
    recipe(UPGD, decay=0.9, sigma=0.1),
]
NETWORKS = [recipe(kind, width=32) for kind in (Transformer, LSTM, Mamba, MLP)]


@parametrize_with_checks(TUNNELS, STRATEGIES, NETWORKS)
def test_conformance(subject: Any, check: Any) -> None:
    check(subject)


def classes(package: ModuleType, base: type) -> set[type]:
    """Concrete descendants that any module of the package defines, exported or not."""
    paths = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    modules = [package, *(importlib.import_module(path.name) for path in paths)]
    found = {
        cls
        for module in modules
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, base) and cls.__module__ == module.__name__
    }
    # An nn.Module's abstract methods are invisible to inspect.isabstract.
    return {
        cls
        for cls in found
        if not any(getattr(getattr(cls, n, None), "__isabstractmethod__", False) for n in dir(cls))
    }


@pytest.mark.parametrize(
    ("package", "base", "subjects"),
    [
        (streams, Tunnel, TUNNELS),
        (strategies, Strategy, STRATEGIES),
        (plasticity.networks, Network, NETWORKS),
    ],
)
def test_no_first_party_class_is_left_out(
    package: ModuleType, base: type, subjects: list[Any]
) -> None:
    listed = {s.cls if isinstance(s, Recipe) else type(s) for s in subjects}
    assert classes(package, base) == listed
