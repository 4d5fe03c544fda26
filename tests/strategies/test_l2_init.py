"""The pull back to the start, against its equation."""

import torch

from strategies import Chain, Finetune, LoRA
from strategies.l2_init import L2Init

from .teaching import jog, learn, learner, taught
from .tiny import batch


def test_extra_is_the_squared_distance_from_the_start():
    strategy, data = L2Init(strength=0.3), batch(1)
    made = learner(strategy)
    start = [p.detach().clone() for p in made.network.parameters()]
    assert strategy.penalty(made, data, made(data.inputs)) == 0.0
    jog(made)
    total = 0.0
    for p, p0 in zip(made.network.parameters(), start, strict=True):
        for now, then in zip(p.flatten().tolist(), p0.flatten().tolist(), strict=True):
            total += (now - then) ** 2
    found = strategy.penalty(made, data, made(data.inputs))
    torch.testing.assert_close(found, torch.tensor(0.3 * total))


def test_what_nothing_holds_elsewhere_returns_geometrically():
    """Plain descent on the pull alone: the distance shrinks by 1 - 2 lr strength in each step."""
    strategy, data = L2Init(strength=0.5), batch(1)
    made = learner(strategy)
    strategy.loss = lambda learner, batch, logits: 0 * logits.sum()
    start = [p.detach().clone() for p in made.network.parameters()]
    jog(made)
    away = [p.detach() - p0 for p, p0 in zip(made.network.parameters(), start, strict=True)]
    for _ in range(7):
        learn(made, data)
    for p, p0, d in zip(made.network.parameters(), start, away, strict=True):
        torch.testing.assert_close(p.detach(), p0 + (1 - 2 * 0.1 * 0.5) ** 7 * d)


def test_strength_0_is_finetuning_and_more_is_nearer_to_the_start():
    plain, off = taught(Finetune()), taught(L2Init(strength=0.0))
    assert all(torch.equal(v, off[k]) for k, v in plain.items())
    start = learner(Finetune()).network.state_dict()
    far = [
        sum(float((v - start[k]).square().sum()) for k, v in end.items())
        for end in (plain, taught(L2Init(strength=0.1)), taught(L2Init(strength=1.0)))
    ]
    assert far[0] > far[1] > far[2] > 0


def test_beside_lora_it_pulls_the_adapters_only():
    strategy = L2Init(strength=1.0)
    made = learner(Chain([LoRA(rank=2), strategy]))
    adapters = [p for name, p in made.network.named_parameters() if name.endswith(("A", "B"))]
    assert len(strategy.start) == sum(p.numel() for p in adapters)
    with torch.no_grad():
        adapters[-1].add_(1.0)
    found = strategy.penalty(made, batch(1), made(batch(1).inputs))
    torch.testing.assert_close(found, torch.tensor(float(adapters[-1].numel())))
