"""Checks of a network: it keeps the contract of Network, in training mode too, where a learner predicts."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor

from plasticity.checks.chance import difference, global_chance_untouched
from plasticity.checks.memory import take_up
from plasticity.config.recipe import Recipe
from plasticity.core.learner import Spec
from plasticity.core.network import Network
from plasticity.core.optimizer import AdamW
from plasticity.engine.pretrain_key import fresh_network

SPEC = Spec(vocab=7, symbols=5, batch=6, time=12)
CLOSE = 1e-4
"""Largest gap between logits that ought to be equal, in nats: kernels round differently at each shape."""
Subject = Recipe[Network]
"""How to make the network: each check needs a new one."""


def build(subject: Subject, seed: int = 0) -> Network:
    """The network with initial weights of this seed."""
    return fresh_network(subject, SPEC, seed)


def draw(batch: int = SPEC.batch, time: int = SPEC.time, seed: int = 0) -> Tensor:
    """Uniform inputs."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(SPEC.vocab, (batch, time), generator=generator)


def loss(network: Network, inputs: Tensor) -> Tensor:
    """Log loss in nats of a target that the current input decides, so that every network can learn it."""
    targets = inputs % SPEC.symbols
    return F.cross_entropy(network(inputs).flatten(0, 1), targets.flatten())


def check_makes_logits(subject: Subject) -> None:
    """Logits are float32, finite and of shape (batch, time, symbols), at batch 1 and time 1 too."""
    network = build(subject)
    for batch, time in ((SPEC.batch, SPEC.time), (1, 1), (1, SPEC.time), (SPEC.batch, 1)):
        logits, shape = network(draw(batch, time)), (batch, time, SPEC.symbols)
        assert logits.shape == shape and logits.dtype == torch.float32, (
            f"logits of inputs {(batch, time)} are {logits.dtype} of shape {tuple(logits.shape)}; expected "
            f"torch.float32 of shape {shape}: (batch, time, symbols)"
        )
        assert torch.isfinite(logits).all(), f"logits of inputs {(batch, time)} are not all finite"


def check_causal(subject: Subject) -> None:
    """Logits at t do not move when inputs after t change."""
    network, inputs = build(subject), draw()
    whole = network(inputs)
    for t in range(1, SPEC.time):
        changed = inputs.clone()
        changed[:, t:] = (changed[:, t:] + 1) % SPEC.vocab
        moved = _gap(network(changed)[:, :t], whole[:, :t])
        assert moved <= CLOSE, (
            f"logits before position {t} moved by {moved:.2g} nats when inputs from {t} on were changed; expected "
            "logits[:, t] to depend on inputs[:, :t+1] only: mask the future"
        )


def check_serves_every_length(subject: Subject) -> None:
    """The same weights serve every length, and the logits of a prefix are the prefix of the logits."""
    network, longest = build(subject), 300
    inputs = draw(2, longest)
    try:
        whole = network(inputs)
    except (RuntimeError, IndexError, ValueError) as error:
        raise AssertionError(
            f"inputs of length {longest} were refused: {error}; expected every length to work: "
            "use relative positions, or a table that grows"
        ) from error
    for time in (1, 2, SPEC.time, 33, 130):
        moved = _gap(network(inputs[:, :time]), whole[:, :time])
        assert moved <= CLOSE, (
            f"the logits of the first {time} symbols alone differ by {moved:.2g} nats from those within {longest}; "
            "expected the same, whatever follows"
        )


def check_rows_are_independent(subject: Subject) -> None:
    """Logits of a sequence are the same alone and in any company."""
    network, inputs = build(subject), draw()
    whole, order = network(inputs), torch.arange(SPEC.batch - 1, -1, -1)
    moved = max(_gap(network(inputs[order]), whole[order]), _gap(network(inputs[:1]), whole[:1]))
    assert moved <= CLOSE, (
        f"logits of a sequence moved by {moved:.2g} nats when the others in its batch changed; "
        "expected no dependence across the batch (LayerNorm or RMSNorm in place of BatchNorm)"
    )


def check_is_a_function(subject: Subject) -> None:
    """Logits are a function of weights and inputs: no chance, no memory of earlier calls, no training mode."""
    network, inputs = build(subject), draw()
    with global_chance_untouched(f"forward() of {subject.cls.__name__}", "nowhere (no dropout)"):
        network.train()
        first, _, again = network(inputs), network(draw(seed=1)), network(inputs)
        network.eval()
        evaluated = network(inputs)
    for how, logits in (("a second time", again), ("in evaluation mode", evaluated)):
        moved = _gap(logits, first)
        assert moved <= CLOSE, (
            f"logits computed {how} differ by {moved:.2g} nats; expected the same: a learner is graded in training "
            "mode, and what forward() remembers or draws would not survive a checkpoint"
        )


def check_initialisation_is_seeded(subject: Subject) -> None:
    """Equal seeds of torch's generator give equal weights; other seeds give others."""
    one, same, other = (build(subject, seed).state_dict() for seed in (0, 0, 1))
    found = difference(one, same)
    assert not found, (
        f"two networks made after torch.manual_seed(0) differ: {found}; expected torch's global generator to be "
        "the only randomness of the constructor"
    )
    assert difference(one, other), (
        "seeds 0 and 1 give the same weights; expected torch's global generator to decide them"
    )


def check_every_parameter_gets_a_gradient(subject: Subject) -> None:
    """No parameter is dead at initialisation, and every gradient is finite."""
    network = build(subject)
    loss(network, draw(batch=16)).backward()
    for name, p in network.named_parameters():
        assert p.grad is None or bool(torch.isfinite(p.grad).all()), (
            f"{name} has a gradient that is not finite; expected numbers: no root or logarithm of 0 on the way"
        )
        assert p.grad is not None and bool((p.grad != 0).any()), (
            f"{name} gets no gradient from a batch of random sequences; expected every parameter to matter: "
            "remove it, or look at its initial value"
        )


def check_state_dict_is_all(subject: Subject) -> None:
    """A network of other weights, given a state dict, makes the same logits to the bit."""
    one, other, inputs = build(subject, 0), build(subject, 1), draw()
    loss(one, inputs).backward()
    AdamW(1e-2)(list(one.parameters()), None).step()
    take_up(other, one.state_dict())
    moved = _gap(one(inputs), other(inputs))
    assert moved == 0, (
        f"after load_state_dict logits differ by {moved:.2g} nats; expected all that forward() depends on in "
        "parameters and buffers, and nothing kept that was computed from them"
    )


def check_copies(subject: Subject) -> None:
    """A deep copy makes the same logits, and does not move with the original: strategies keep teachers."""
    network, inputs = build(subject), draw()
    twin = copy.deepcopy(network)
    before = network(inputs)
    moved = _gap(twin(inputs), before)
    assert moved == 0, f"a deep copy makes logits that differ by {moved:.2g} nats; expected none"
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.1)
    assert _gap(twin(inputs), before) == 0, (
        "a deep copy moved with the original; expected forward() to reach weights through self"
    )


def check_learns(subject: Subject) -> None:
    """100 steps halve the loss on a few sequences whose targets their current inputs decide."""
    network, inputs = build(subject), draw()
    optimizer, first = AdamW(1e-2)(list(network.parameters()), None), loss(network, draw()).item()
    for _ in range(100):
        optimizer.zero_grad()
        loss(network, inputs).backward()
        optimizer.step()
    last = loss(network, inputs).item()
    assert last < first / 2, (
        f"100 steps of AdamW (learning rate 0.01) brought the loss from {first:.3f} to {last:.3f} nats; expected "
        "less than half: does a gradient flow from inputs[:, t] to logits[:, t]?"
    )


def _gap(one: Tensor, other: Tensor) -> float:
    """The largest difference, in nats."""
    return float((one - other).detach().abs().max())


NETWORK_CHECKS = [
    check_makes_logits,
    check_causal,
    check_serves_every_length,
    check_rows_are_independent,
    check_is_a_function,
    check_initialisation_is_seeded,
    check_every_parameter_gets_a_gradient,
    check_state_dict_is_all,
    check_copies,
    check_learns,
]
"""Cheap ones first."""
