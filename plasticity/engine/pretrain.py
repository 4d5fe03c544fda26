"""Pretrain: a network that infers in context, trained on fresh latents and kept by the hash of all it depends on."""

import math
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from plasticity.core.learner import Learner
from plasticity.core.optimizer import AdamW
from plasticity.core.strategy import Strategy
from plasticity.core.stream import Group, Stream
from plasticity.core.tunnel import AnswerKey, Batch, Tunnel
from plasticity.engine import archive
from plasticity.engine.config import Pretrain
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.meta import batch_meta_loss, together
from plasticity.engine.prequential import Prequential, ScoredBatch
from plasticity.engine.pretrain_key import WEIGHTS, Key, fresh_network
from plasticity.engine.trainer import fit
from plasticity.observers.episodes import Episodes
from plasticity.results.lock import alone
from plasticity.results.sealed import Damaged, digest
from plasticity.results.store import Cell

TIE = 1e-9
"""Symbols whose probabilities are within this share of the largest tie with it."""


class _Fresh(Stream):
    """Tunnels are drawn at random, equally often: for each sequence, or for each batch if they ask differently."""

    size = 1
    """Sequences that follow one another under one latent."""
    oracle = False
    """Whether the key of a step holds the informed observer's predictive, in place of the amnesic one's."""

    def keyed(self, step: int) -> tuple[Batch, AnswerKey]:
        """Batch `step`, and what its teacher knows."""
        batch, key = super().keyed(step)
        if not self.oracle:
            return batch, key
        known = torch.empty_like(key.posterior)
        for rows, _, tunnel, latents in self.groups(step):
            drawn = batch.inputs[rows].numpy(), key.drawn[rows].numpy()
            known[rows] = torch.from_numpy(tunnel.informed(latents).predict(*drawn))
        return batch, key._replace(posterior=known)

    def schedule(self, step: int, rng: np.random.Generator) -> Int[np.ndarray, " batch"]:
        """A tunnel for each sequence, or one for all."""
        alike = all(np.array_equal(one, self.asked) for one in self._asked)
        drawn = rng.integers(0, len(self.tunnels), self.batch // self.size).repeat(self.size)
        return drawn if alike else np.full(self.batch, drawn[0])

    def groups(self, step: int) -> list[Group]:
        """As drawn, with the latents that sequences share."""
        return [together(each, self.size) for each in super().groups(step)]


def fresh(
    tunnels: Sequence[Tunnel], plan: Pretrain, time: int, seed: int, probe: int = 512
) -> Stream:
    """A stream in which every sequence has its own latent; regime r is tunnel r.

    Args:
        tunnels: the tasks, mixed.
        plan: of the pretraining; its steps, its batch, and the episodes of a sequence.
        time: symbols per episode.
        seed: of the data; no deploy stream of a small seed shares its randomness.
        probe: held-out sequences per tunnel.
    """
    if plan.episodes > 1:
        tunnels, time = [Episodes(each, plan.episodes) for each in tunnels], time * plan.episodes
    steps, apart = max(plan.steps, 1), seed + (1 << 31)
    world = _Fresh(tunnels, len(tunnels), steps, plan.batch, time, "episode", probe, apart)
    world.oracle = plan.target == "oracle"
    if plan.meta:
        world.size = plan.batch // plan.meta.latents
    return world


def most_probable(
    predictive: Float[Tensor, "*shape symbols"],
) -> Float[Tensor, "*shape symbols"]:
    """All on the most probable symbol; those that tie share it evenly, as a coin between them would on average.

    >>> most_probable(torch.tensor([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]]))
    tensor([[0.0000, 1.0000, 0.0000],
            [0.5000, 0.0000, 0.5000]])
    """
    best = predictive >= predictive.amax(-1, keepdim=True) * (1 - TIE)
    return best / best.sum(-1, keepdim=True).to(predictive)


class _Pretraining(Strategy):
    """Plain gradient descent with the schedule and the clipping of pretraining; weights are kept on the way.

    Args:
        plan: of the pretraining.
        cell: where to; None: none are.
    """

    def __init__(self, plan: Pretrain, cell: Cell | None = None):
        super().__init__(plan.lr)
        self.plan, self.cell = plan, cell
        self.posterior: Float[Tensor, "batch time symbols"] = torch.empty(0, 0, 0)
        """The amnesic observer's, of the batch that is learned from; where the target is oracle, the informed one's."""

    def loss(self, learner: Learner, batch: Batch, logits: Tensor) -> Float[Tensor, ""]:
        """Cross-entropy, in nats per asked position; or that of a learner, by which a start is meta-learned."""
        if self.plan.meta:
            return batch_meta_loss(learner, batch, self.plan.meta)
        if self.plan.target == "samples":
            return super().loss(learner, batch, logits)
        log_probs, taught = logits[:, batch.asked].log_softmax(-1), self.posterior[:, batch.asked]
        if self.plan.target != "posterior":
            taught = most_probable(taught)
        return -(taught.to(log_probs) * log_probs).sum(-1).mean()

    def project_gradients(self, learner: Learner) -> None:
        """Clip the gradient, and set this step's learning rate."""
        plan = self.plan
        nn.utils.clip_grad_norm_(learner.network.parameters(), plan.clip)
        warm = min(1.0, (learner.step + 1) / max(plan.warmup, 1))
        done = max(0.0, (learner.step - plan.warmup) / max(plan.steps - plan.warmup, 1))
        for group in learner.optimizer.param_groups:
            group["lr"] = plan.lr * warm * (1 + math.cos(math.pi * done)) / 2

    def attach(self, learner: Learner) -> None:
        """Keep the initial weights, if they are wanted."""
        self._keep(learner, 0)

    def after_step(self, learner: Learner) -> None:
        """Keep the weights, if this is a step after which they are wanted."""
        self._keep(learner, learner.step + 1)

    def _keep(self, learner: Learner, steps: int) -> None:
        alone = not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0
        if self.cell is not None and steps in self.plan.checkpoints and alone:
            path, place = _checkpoint(self.cell, steps)
            archive.save(path, learner.network.state_dict(), place)


class _PretrainingLoop(Prequential):
    """The loop of pretraining, which is no test: the strategy may read the posterior."""

    def prequential_step(self, item: ScoredBatch) -> tuple[Tensor, bool]:
        """As ever, with the posterior at hand."""
        assert isinstance(strategy := self.learner.strategy, _Pretraining)
        strategy.posterior = item.key.posterior
        return super().prequential_step(item)

    def on_validation_epoch_end(self) -> None:
        """Look whether there is still a network.

        Raises:
            ArithmeticError: its weights are no numbers any more.
        """
        super().on_validation_epoch_end()
        learner, strategy = self.learner, self.learner.strategy
        if not all(p.isfinite().all() for p in learner.network.parameters()):
            raise ArithmeticError(
                f"pretraining of {type(learner.network).__name__}, seed {learner.seed}, diverged within its first "
                f"{learner.step + 1} steps at pretrain.lr {strategy.lr}; try a smaller one"
            )


def pretrained(
    key: Key, folder: Path, callbacks: Sequence[pl.Callback] = ()
) -> tuple[dict[str, Any], Cell]:
    """Weights of the pretrained network, from the cache or made now; a killed pretraining goes on.

    Args:
        key: what is pretrained; no weights are reused that would come out otherwise today.
        folder: the cache. Whoever else wants the same network meanwhile waits.
        callbacks: of Lightning, while it is made.

    Returns:
        (state dict, the cell that holds the record of the pretraining).

    Raises:
        ArithmeticError: it diverges; the cache keeps nothing of it.
        Damaged: what the cache holds is not as it was written.
    """
    cell = key.cell(folder)
    weights = cell.path / WEIGHTS
    if not (weights.exists() and cell.done):
        with alone(cell.path):
            if not (weights.exists() and cell.done):  # nobody made it meanwhile
                try:
                    made = _made(key, cell, callbacks)
                except ArithmeticError:
                    shutil.rmtree(cell.path)
                    raise
                archive.save(weights, made, cell.place("weights"))
                cell.end({"pretrained_gap": gap(cell)})
    cell.checkpoint.unlink(missing_ok=True)
    with cell.remedied():
        if cell.identity != digest(key.inputs()):
            text = "it is of another pretraining than the one that its folder is named by"
            raise Damaged(cell.path / "cell.json", text)
        return archive.load(weights, cell.place("weights")), cell


def checkpoints(key: Key, cell: Cell) -> Iterator[tuple[int, dict[str, Any]]]:
    """The weights along a pretraining that is done: (after how many steps, state dict), and those of the end last.

    Args:
        key: what was pretrained.
        cell: where, as `pretrained` says.

    Raises:
        Damaged: a file is missing, or not as it was written.
    """
    with cell.remedied():
        for steps in key.plan.checkpoints:
            path, place = _checkpoint(cell, steps)
            if not path.exists():
                raise Damaged(path, "it is missing")
            if steps < key.plan.steps:
                yield steps, archive.load(path, place)
        yield key.plan.steps, archive.load(cell.path / WEIGHTS, cell.place("weights"))


def _checkpoint(cell: Cell, steps: int) -> tuple[Path, str]:
    """The file of the weights after so many steps, and the place that it is sealed to."""
    return cell.path / f"weights-{steps:07d}.safetensors", cell.place(f"weights/{steps}")


def _made(key: Key, cell: Cell, callbacks: Sequence[pl.Callback]) -> dict[str, Any]:
    """The state dict, after all steps."""
    network, _, plan, spec, seed, hardware = key
    inputs = key.inputs()
    if plan.meta and hardware.devices > 1:
        raise ValueError("hardware.devices: expected 1 where there is pretrain.meta")
    cell.begin({"label": "pretrain", "index": 0, **inputs}, digest(inputs))
    world = fresh(key.tunnels(), plan, spec.time, seed)
    learner = OnlineLearner(
        fresh_network(network, spec, seed),
        _Pretraining(plan, cell),
        AdamW(plan.lr, plan.weight_decay),
        spec._replace(time=world.time),
        seed,
    )
    stretch = max(100, plan.steps // 50)  # a checkpoint takes the time of many steps on a GPU
    data = StreamDataModule(world, stretch, score_steps=False)
    fit(cell, _PretrainingLoop(learner), data, hardware, (), callbacks, hardware.devices)
    return learner.network.state_dict()


def gap(cell: Cell) -> float:
    """KL(amnesic || network) at the end of pretraining, in bits per asked position; 512 held-out episodes a tunnel."""
    probes = cell.probes.read()
    last = probes.filter(probes["step"] == probes["step"].max())
    return float(last["kl_amnesic/model"].to_numpy().mean())
