"""Pretraining key: all that a pretrained network depends on, and the hash under which it is kept. No Lightning."""

from pathlib import Path
from typing import Any, NamedTuple

import torch

from plasticity.config.plugins import code_identity
from plasticity.config.recipe import Recipe, plain
from plasticity.core.learner import Spec
from plasticity.core.network import Network
from plasticity.core.stream import Stream
from plasticity.core.tunnel import Tunnel
from plasticity.engine.config import Pretrain, TrainerConfig
from plasticity.results.sealed import digest
from plasticity.results.store import Cell

WEIGHTS = "weights.safetensors"
"""The file of a pretrained network, beside the record of its pretraining."""


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
    hardware: TrainerConfig

    def cell(self, folder: Path) -> Cell:
        """Where this pretraining lies: named by a hash of its inputs."""
        return Cell(folder / digest(self.inputs())[:16])

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
        """Its settings, the machine, and the code."""
        return self.settings() | {
            "hardware": {k: v for k, v in vars(self.hardware).items() if k != "workers"},
            "torch": torch.__version__,
            "code": code_identity([*map(type, self.tunnels()), self.network.cls]),
        }

    def settings(self) -> dict[str, Any]:
        """The tunnels, the network, the plan, the seed, and the length of an episode."""
        own = [tunnel.resolved() for tunnel in self.plan.tunnels]
        return {
            "tunnels": own or self.stream.resolved()["tunnels"],
            "network": self.network.resolved(),
            "pretrain": {
                k: plain(v)
                for k, v in vars(self.plan).items()
                if k not in ("seed", "lrs", "tunnels")
                and (k, v) not in (("meta", None), ("episodes", 1), ("checkpoints", []))
            },
            "seed": self.seed,
            "time": self.spec.time,
        }
