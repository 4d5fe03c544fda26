"""Checks of an optimizer: it keeps the contract of Optimizer on a bowl."""

from copy import deepcopy

import torch
from torch import Tensor, nn

from plasticity.checks.chance import difference, global_chance_untouched
from plasticity.checks.memory import take_up
from plasticity.config.recipe import Recipe, parameters
from plasticity.core.optimizer import Optimizer

Subject = Recipe[Optimizer]
"""How to make the optimizer."""
STEPS = 10
RATE = 3e-3
"""A learning rate of a strategy's own."""


def bowl() -> list[nn.Parameter]:
    """Where every run begins: a matrix, a vector and a number."""
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((4, 3), (5,), ())]


def height(params: list[nn.Parameter]) -> Tensor:
    """|theta|^2 / 2."""
    return sum((p.square().sum() / 2 for p in params), torch.zeros(()))


def descended(made: torch.optim.Optimizer, params: list[nn.Parameter], steps: int) -> None:
    """Step down the bowl."""
    for _ in range(steps):
        made.zero_grad()
        height(params).backward()
        made.step()


def check_moves_these_parameters(subject: Subject) -> None:
    """What it returns is torch's, holds the parameters it was given and no others, and moves each of them."""
    params = bowl()
    made = subject.build()(params, None)
    assert isinstance(made, torch.optim.Optimizer), (
        f"calling it returned {type(made).__name__}; expected a torch.optim.Optimizer"
    )
    there = [id(p) for group in made.param_groups for p in group["params"]]
    assert sorted(there) == sorted(map(id, params)), (
        f"it holds {len(there)} parameters where it was given {len(params)}; expected just these"
    )
    descended(made, params, STEPS)
    for p, before in zip(params, bowl(), strict=True):
        assert torch.isfinite(p).all() and not torch.equal(p, before), (
            f"after {STEPS} steps a parameter of shape {tuple(p.shape)} moved by {float((p - before).norm()):.3g}; "
            "expected every parameter that has a gradient to move, by a finite step"
        )


def check_a_strategys_rate_wins(subject: Subject) -> None:
    """The learning rate is the strategy's where that has one, and else the optimizer's own, `lr`."""
    own = getattr(subject.build(), "lr", None)
    assert isinstance(own, float | int), (
        f"lr is {own!r}; expected super().__init__(lr) to be called"
    )
    for given, wanted in ((RATE, RATE), (None, own)):
        rates = {float(group["lr"]) for group in subject.build()(bowl(), given).param_groups}
        assert rates == {wanted}, (
            f"called with lr={given} it steps at {sorted(rates)}; expected {wanted}: `lr or self.lr`"
        )


def check_descends(subject: Subject) -> None:
    """Small steps go downhill."""
    params = bowl()
    before = float(height(params).detach())
    descended(subject.build()(params, RATE), params, STEPS)
    after = float(height(params).detach())
    assert after < before, (
        f"{STEPS} steps at a learning rate of {RATE} led from a height of {before:.4f} to {after:.4f}; expected less"
    )


def check_leaves_what_has_no_gradient(subject: Subject) -> None:
    """A parameter whose gradient is None stays: a strategy may hold some of them still for a while."""
    params = bowl()
    made = subject.build()(params, None)
    (params[0].square().sum() / 2).backward()
    made.step()
    still = all(torch.equal(p, q) for p, q in zip(params[1:], bowl()[1:], strict=True))
    assert still, "a parameter without a gradient moved; expected it to stay"


def check_steps_are_reproducible(subject: Subject) -> None:
    """Equal gradients lead to equal weights, to the bit, and no global generator is used."""
    ends = []
    with global_chance_untouched(subject.cls.__name__, "nowhere, or a generator of its own"):
        for _ in range(2):
            params = bowl()
            descended(subject.build()(params, None), params, STEPS)
            ends.append({str(i): p.detach() for i, p in enumerate(params)})
    found = difference(*ends)
    assert not found, (
        f"two runs of the same gradients ended differently: {found}; expected the same"
    )


def check_resumes_exactly(subject: Subject) -> None:
    """One that took up the state dict of another goes on as that one does, to the bit."""
    params = bowl()
    made = subject.build()(params, None)
    descended(made, params, STEPS)
    others = [nn.Parameter(p.detach().clone()) for p in params]
    again = subject.build()(others, None)
    take_up(again, deepcopy(made.state_dict()))
    descended(made, params, STEPS)
    descended(again, others, STEPS)
    ends = [{str(i): p.detach() for i, p in enumerate(each)} for each in (params, others)]
    found = difference(*ends)
    assert not found, (
        f"after its state dict was loaded it goes on otherwise: {found}; expected all that it remembers in `state`"
    )


def check_arguments_are_kept(subject: Subject) -> None:
    """Constructor arguments are stored under their own names, so that a run can record them."""
    made = subject.build()
    missing = [name for name in parameters(subject.cls) if not hasattr(made, name)]
    assert not missing, (
        f"{subject.cls.__name__} takes {missing[0]!r} and has no attribute of that name; expected "
        f"self.{missing[0]} = {missing[0]}"
    )


OPTIMIZER_CHECKS = [
    check_arguments_are_kept,
    check_moves_these_parameters,
    check_a_strategys_rate_wins,
    check_descends,
    check_leaves_what_has_no_gradient,
    check_steps_are_reproducible,
    check_resumes_exactly,
]
"""Cheap ones first."""
