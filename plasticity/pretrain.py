"""Pretrain: a network that infers in context, trained on fresh latents and kept by the hash of all it depends on."""

import hashlib
import inspect
import json
import math
import sys
from collections.abc import Mapping, Sequence
from copy import copy
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from plasticity import metrics
from plasticity.forward import Forward
from plasticity.learner import Learner, Spec
from plasticity.network import Network
from plasticity.optimizer import AdamW
from plasticity.quantities import Count, Natural, NonNegative, Positive
from plasticity.recipes import Recipe
from plasticity.store import Cell, write_json
from plasticity.strategy import Strategy
from plasticity.stream import Stream
from plasticity.tunnel import Batch, Tunnel
from plasticity.walk import Hardware, save_weights, walk


class Pretrain:
    """The first phase: plain training on the stream's tunnels, a fresh latent for every episode.

    AdamW; linear warm-up, then cosine to 0; gradient norm clipped.

    Args:
        steps: gradient steps; 0: no pretraining.
        batch: sequences per step.
        lr: peak learning rate.
        warmup: steps of linear warm-up.
        clip: largest gradient norm.
        weight_decay: decoupled.
        target: samples: cross-entropy on the symbols that came. posterior: on the amnesic observer's whole
            predictive (distillation, as the wind-tunnel papers train their HMM). Both have one optimum.
        seed: of the initial weights and the data; null: the run's own, so that every seed has its network.
        lrs: peak learning rates of the networks named here by their type, in place of lr.
        tunnels: the tasks, in the alphabets of the stream's, in place of those: what is deployed is then new.
    """

    def __init__(
        self,
        steps: Natural = 2000,
        batch: Count = 64,
        lr: Positive = 3e-3,
        warmup: Natural = 100,
        clip: Positive = 1.0,
        weight_decay: NonNegative = 0.0,
        target: Literal["samples", "posterior"] = "samples",
        seed: Natural | None = None,
        lrs: Mapping[str, Positive] | None = None,
        tunnels: Sequence[Recipe[Tunnel]] = (),
    ):
        self.steps, self.batch, self.lr, self.warmup = steps, batch, lr, warmup
        self.clip, self.weight_decay, self.seed = clip, weight_decay, seed
        self.target: Literal["samples", "posterior"] = target
        self.lrs = dict(lrs or {})
        self.tunnels = list(tunnels)

    def of(self, network: type[Network]) -> "Pretrain":
        """The plan for networks of this type: its learning rate is decided."""
        mine = copy(self)
        mine.lr, mine.lrs = self.lrs.get(network.__name__, self.lr), {}
        return mine

    def seeded(self, seed: int) -> int:
        """The seed of this phase in a run of that seed."""
        return seed if self.seed is None else self.seed


class _Fresh(Stream):
    """Tunnels are drawn at random, equally often: for each sequence, or for each batch if they ask differently."""

    def schedule(self, step: int, rng: np.random.Generator) -> Int[np.ndarray, " batch"]:
        """A tunnel for each sequence, or one for all."""
        alike = all(np.array_equal(one, self.asked) for one in self._asked)
        drawn = rng.integers(0, len(self.tunnels), self.batch)
        return drawn if alike else np.full(self.batch, drawn[0])


def fresh(
    tunnels: Sequence[Tunnel], plan: Pretrain, time: int, seed: int, probe: int = 512
) -> Stream:
    """A stream in which every episode has its own latent; regime r is tunnel r.

    Args:
        tunnels: the tasks, mixed.
        plan: of the pretraining; its steps and its batch.
        time: symbols per sequence.
        seed: of the data; no deploy stream of a small seed shares its randomness.
        probe: held-out episodes per tunnel.
    """
    steps, apart = max(plan.steps, 1), seed + (1 << 31)
    return _Fresh(tunnels, len(tunnels), steps, plan.batch, time, "episode", probe, apart)


class _Pretraining(Strategy):
    """Plain gradient descent with the schedule and the clipping of pretraining."""

    def __init__(self, plan: Pretrain):
        super().__init__(plan.lr)
        self.plan = plan

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Float[Tensor, ""]:
        """Cross-entropy, in nats per asked position; pretraining is no test, so it may read the posterior."""
        if self.plan.target == "samples":
            return super().loss(learner, batch, logits)
        log_probs = logits[:, batch.asked].log_softmax(-1)
        return -(batch.posterior[:, batch.asked].to(log_probs) * log_probs).sum(-1).mean()

    def project(self, learner: Learner) -> None:
        """Clip the gradient, and set this step's learning rate."""
        plan = self.plan
        nn.utils.clip_grad_norm_(learner.network.parameters(), plan.clip)
        warm = min(1.0, (learner.step + 1) / max(plan.warmup, 1))
        done = max(0.0, (learner.step - plan.warmup) / max(plan.steps - plan.warmup, 1))
        for group in learner.optimizer.param_groups:
            group["lr"] = plan.lr * warm * (1 + math.cos(math.pi * done)) / 2


def fresh_network(network: Recipe[Network], spec: Spec, seed: int) -> Network:
    """The network with its initial weights, from this seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return network.build(vocab=spec.vocab, symbols=spec.symbols)


class Key(NamedTuple):
    """All that a pretraining depends on."""

    network: Recipe[Network]
    stream: Recipe[Stream]
    plan: Pretrain
    spec: Spec
    seed: int
    hardware: Hardware

    def cell(self, folder: Path) -> Cell:
        """Where this pretraining lies: named by a hash of the inputs and of the source code they run through."""
        text = json.dumps(self.inputs(), sort_keys=True)
        return Cell(folder / hashlib.sha256(text.encode()).hexdigest()[:16])

    def tunnels(self) -> list[Tunnel]:
        """The tasks: the plan's own, or the stream's.

        Raises:
            ValueError: an alphabet of the plan's own is not the stream's.
        """
        own = [tunnel.build() for tunnel in self.plan.tunnels]
        for tunnel in own:
            mine, wanted = (tunnel.vocab, tunnel.symbols), (self.spec.vocab, self.spec.symbols)
            if mine != wanted:
                raise ValueError(
                    f"pretrain.tunnels: {tunnel!r} has vocab and symbols {mine}, the stream {wanted}"
                )
        return own or self.stream.build(seed=self.seed).tunnels

    def inputs(self) -> dict[str, Any]:
        """The tunnels, the network, the plan, the seed, the length of an episode, the machine, and the source."""
        tunnels = self.tunnels()
        told = [tunnel.resolved() for tunnel in self.plan.tunnels]
        return {
            "tunnels": told or self.stream.resolved()["tunnels"],
            "network": self.network.resolved(),
            "pretrain": {
                k: v for k, v in vars(self.plan).items() if k not in ("seed", "lrs", "tunnels")
            },
            "seed": self.seed,
            "time": self.spec.time,
            "hardware": {k: v for k, v in vars(self.hardware).items() if k != "workers"},
            "torch": torch.__version__,
            "source": _source((*map(type, tunnels), self.network.cls)),
        }


def pretrained(
    key: Key, folder: Path, callbacks: Sequence[pl.Callback] = ()
) -> tuple[dict[str, Any], Cell]:
    """Weights of the pretrained network, from the cache or made now; a killed pretraining goes on.

    Args:
        key: what is pretrained; no weights are reused that would come out otherwise today.
        folder: the cache.
        callbacks: of Lightning, while it is made.

    Returns:
        (state dict, the cell that holds the record of the pretraining).
    """
    network, _, plan, spec, seed, hardware = key
    cell = key.cell(folder)
    weights = cell.path / "weights.pt"
    if not weights.exists():
        meta = {"label": "pretrain", "index": 0, **key.inputs()}
        write_json(cell.path / "cell.json", meta)
        learner = Learner(
            fresh_network(network, spec, seed),
            _Pretraining(plan),
            AdamW(plan.lr, plan.weight_decay),
            spec,
            metrics.standard(),
            seed,
        )
        world = fresh(key.tunnels(), plan, spec.time, seed)
        stretch = max(100, plan.steps // 50)  # a checkpoint takes the time of many steps on a GPU
        forward = Forward(world, stretch, False)
        walk(cell, learner, forward, hardware, (), callbacks, hardware.devices)
        save_weights(weights, learner.network.state_dict())
        cell.checkpoint.unlink(missing_ok=True)
    return torch.load(weights, map_location="cpu"), cell


def gap(cell: Cell) -> float:
    """KL(amnesic || network) at the end of pretraining, in bits per asked position; 512 held-out episodes a tunnel."""
    probes = cell.probes.read()
    last = probes.filter(probes["step"] == probes["step"].max())
    return float(last["kl_amnesic/model"].to_numpy().mean())


@cache  # what runs is what was imported, whatever the files say later
def _source(classes: tuple[type, ...]) -> str:
    """Hash of the modules that decide what pretraining gives: of these classes, their ancestors, and the engine's."""
    ancestors = {base.__module__ for cls in classes for base in cls.__mro__}
    own = {name for name in ancestors if name.split(".")[0] not in ("abc", "builtins", "torch")}
    modules = [sys.modules[name] for name in sorted(own | {Learner.__module__, __name__})]
    code = "".join(inspect.getsource(module) for module in modules)
    return hashlib.sha256(code.encode()).hexdigest()[:16]
