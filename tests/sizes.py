"""Arguments with which tests try a class whose defaults are too large for them, or come too late, or are missing.

A class that has no entry is tried with its defaults: a new one needs none, unless it cannot be made without arguments.
"""

from typing import Any

from plasticity import Recipe, recipe
from plasticity.core.optimizer import SGD
from strategies import (
    AGEM,
    DER,
    EWC,
    GPM,
    MAS,
    MIR,
    UPGD,
    Chain,
    ContextDistillation,
    ContinualBackprop,
    Dream,
    EvidenceMixture,
    GDumb,
    HareTortoise,
    InPlaceTTT,
    Joint,
    KalmanMixture,
    L2Init,
    LoFi,
    LoRA,
    LoRAPool,
    MemoryInContext,
    NestedRates,
    OLoRA,
    OnlineLaplace,
    ReDo,
    Replay,
    ShrinkPerturb,
)
from streams import (
    HMM,
    SCM,
    SULA,
    Abrupt,
    Adversarial,
    BeliefRevision,
    Bijection,
    Binding,
    ChangePoint,
    Choice,
    Compositional,
    ContextTree,
    Conversation,
    CounterfactualSCM,
    Cyclic,
    FilteringHMM,
    Gradual,
    Growing,
    Hazard,
    Laws,
    Markov,
    Nested,
    Padded,
    Recall,
    Recurrence,
    Recurring,
    StickyMarkov,
    Topics,
    Urn,
)

WIDTH = {"width": 32}
"""Of every network."""
COIN = recipe(Markov, symbols=2, concentration=0.5)
"""The tunnel of every schedule."""
SIZES: list[Recipe[Any]] = [
    recipe(BeliefRevision, candidates=3, evidence=2, filler=0, concentration=0.5),
    recipe(Bijection, size=4, pairs=3),
    recipe(Bijection, size=3, pairs=4, replacement=True),
    recipe(Binding, size=3, pairs=3),
    recipe(ChangePoint, symbols=2, hazards=[0.0, 0.4]),
    recipe(Choice, features=1, levels=2),
    recipe(Choice, features=2, levels=3, noise=0.5, order=[1, 0]),
    recipe(ContextTree, symbols=2, depth=2),
    recipe(Conversation, aggregates=1, columns=1, teams=2, venues=2, requests=2),
    recipe(CounterfactualSCM, variables=2, asks=["association", "counterfactual"]),
    recipe(FilteringHMM, states=2, emissions=2, steps=2),
    recipe(FilteringHMM, states=2, emissions=3, steps=2, ask="state"),
    recipe(HMM, states=2, symbols=3, library=3),
    recipe(HMM, states=2, symbols=3, library=3, share="transition"),
    recipe(Laws, modulus=2, longest=8.0, noise=0.3),
    recipe(Markov, symbols=3, concentration=0.5),
    recipe(
        Padded, tunnel=recipe(Markov, symbols=2, concentration=0.5), vocab=4, symbols=3, length=4
    ),
    recipe(Recall, keys=4, values=2, pairs=2, queries=2, noise=0.3, unstored=0.5),
    recipe(Recurrence, modulus=5),
    recipe(Recurrence, modulus=3, encoding="opaque", symbols=4, horizon=2, density=0.3),
    recipe(Recurrence, modulus=3, encoding="shuffled", items=4),
    recipe(SCM, variables=2),
    recipe(SULA, words=3),
    recipe(SULA, words=2, shuffled=True),
    recipe(StickyMarkov, symbols=4, library=3),
    recipe(Topics, symbols=3, topics=2, concentration=0.5, strength=3.0),
    recipe(Urn, alpha=[0.5, 1.0, 2.0]),
    recipe(Abrupt, period=4, steps=24),
    recipe(Adversarial, regimes=3, period=5, steps=24),
    recipe(Compositional, period=4, order="random", steps=24),
    recipe(Cyclic, regimes=3, period=5, steps=24),
    recipe(Gradual, regimes=3, period=6, slide=5, steps=24),
    recipe(Growing, regimes=3, period=8, visit=3, steps=24),
    recipe(Hazard, regimes=3, hazard=0.3, steps=24),
    recipe(Nested, groups=2, members=3, slow=12, fast=2, steps=24),
    recipe(Recurring, regimes=3, period=4, steps=24),
    recipe(AGEM, capacity=10, samples=4),
    recipe(Chain, parts=[recipe(EWC, samples=4), recipe(Replay, capacity=10)]),
    recipe(ContextDistillation, episodes=3),
    recipe(ContextDistillation, episodes=2, weight=0.3, teacher="now"),
    recipe(ContinualBackprop, rate=0.2, maturity=1),
    recipe(DER, capacity=10),
    recipe(Dream, period=2),
    recipe(EWC, samples=4, decay=0.5),
    recipe(EWC, samples=4, form="separate"),
    recipe(EvidenceMixture, experts=2, rehearsal=1, capacity=10),
    recipe(EvidenceMixture, experts=1, expert="lora", rank=1, momentum=0.0),
    recipe(EvidenceMixture, expert="readout"),
    recipe(GDumb, capacity=10, period=4, steps=4),
    recipe(GPM, samples=4),
    recipe(HareTortoise, every=4, momentum=0.7),
    recipe(Joint, capacity=60),
    recipe(InPlaceTTT, carry=0.5),
    recipe(L2Init, strength=0.1),
    recipe(KalmanMixture, experts=2, unsettled=2),
    recipe(KalmanMixture, experts=1, decay=1.0, iterations=1),
    recipe(LoFi, rank=3),
    recipe(LoFi, rank=2, information="exact", decay=1.0),
    recipe(LoRA, rank=1),
    recipe(LoRAPool, rank=1, slots=2),
    recipe(MAS, samples=4),
    recipe(MIR, capacity=20),
    recipe(MemoryInContext, episodes=2, memories=2),
    recipe(NestedRates, levels=2, base=3),
    recipe(NestedRates, levels=2, base=2, slow="last"),
    recipe(OLoRA, rank=1),
    recipe(OnlineLaplace, samples=4),
    recipe(ReDo, tau=0.5, every=3, samples=6),
    recipe(Replay, capacity=10),
    recipe(ShrinkPerturb, when="shift", shrink=0.5, sigma=0.1),
    recipe(UPGD, decay=0.9, sigma=0.1),
    recipe(SGD, momentum=0.9),
]


def subjects(classes: dict[str, type], base: type) -> list[Recipe[Any]]:
    """How to try each of these classes that descends from `base`.

    Args:
        classes: what `plasticity.discover` finds.
        base: Tunnel, Strategy or Network.
    """
    found = list[Recipe[Any]]()
    for cls in (cls for cls in classes.values() if issubclass(cls, base)):
        found += [each for each in SIZES if each.cls is cls] or [Recipe(cls)]
    return found
