"""Configuration of the engine: where it runs, and how a network is pretrained. No Lightning."""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Literal

from plasticity.config.recipe import Recipe
from plasticity.core.bounded import Count, Natural, NonNegative, Positive
from plasticity.core.network import Network
from plasticity.core.tunnel import Tunnel

PretrainTarget = Literal["samples", "posterior", "argmax", "oracle"]
"""What a pretraining takes cross-entropy on."""


class TrainerConfig:
    """Where and how Lightning runs.

    Args:
        accelerator: cpu, gpu or auto.
        precision: of the forward and backward pass; scores are float64 always. Strategies read raw gradients, so
            none that scales losses (16-mixed) is offered.
        threads: of torch on the CPU; null: torch decides.
        workers: processes that make batches ahead; 0: the learner's own. It changes no number.
        devices: that share a pretraining, each a part of every batch (Lightning's DDP): the numbers are those of one,
            but for the order of sums. What is deployed is one process: its steps follow one another.
        compile: torch.compile of the network: off; default: fused kernels; reduce-overhead: CUDA graphs too.
    """

    def __init__(
        self,
        accelerator: Literal["auto", "cpu", "gpu"] = "cpu",
        precision: Literal["32-true", "bf16-mixed"] = "32-true",
        threads: Count | None = None,
        workers: Natural = 0,
        compile: Literal["off", "default", "reduce-overhead"] = "off",
        devices: Count = 1,
    ):
        self.accelerator: Literal["auto", "cpu", "gpu"] = accelerator
        self.precision: Literal["32-true", "bf16-mixed"] = precision
        self.threads, self.workers, self.devices = threads, workers, devices
        self.compile: Literal["off", "default", "reduce-overhead"] = compile

    def lack(self) -> tuple[str, str] | None:
        """What this machine lacks, as (argument, what was expected); None: nothing."""
        import torch

        gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
        if self.accelerator == "gpu" and not gpu:
            return "accelerator", "expected cpu or auto, got gpu: none is found here"
        if self.accelerator == "gpu" and self.devices > (found := torch.cuda.device_count() or 1):
            return "devices", f"expected at most {found}, the GPUs found here, got {self.devices}"
        return None


class Meta:
    """A meta-learned start: pretraining by what is answered while plain gradient descent learns, as in deployment.

    Each batch holds sequences under a few latents, (steps + 1) parts of equal size for each: a part is answered, and
    learned from by one step of SGD before the next is (`plasticity/engine/meta.py` has the equation).

    Args:
        steps: inner steps.
        lr: of the inner steps.
        order: first: inner gradients are taken for constants; full: the gradient goes through them.
        latents: of each batch.
    """

    def __init__(
        self,
        steps: Count = 3,
        lr: Positive = 0.1,
        order: Literal["first", "full"] = "first",
        latents: Count = 4,
    ):
        self.steps, self.lr, self.latents = steps, lr, latents
        self.order: Literal["first", "full"] = order


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
        target: what cross-entropy is taken on. samples: the symbols that came. posterior: the amnesic observer's
            whole predictive (distillation, as the wind-tunnel papers train their HMM). Both have one optimum.
            argmax: its most probable symbol (what Qiu et al., Nature Communications 17:1238, distil); the optimum is
            sure of it. oracle: the informed observer's most probable symbol, the right answer where there is one; the
            optimum is the probability that a symbol is that. Symbols that tie share the target evenly.
        episodes: that follow one another in each sequence under its one latent, so that the network learns to use
            earlier ones (`MemoryInContext`); it is graded by the exact observer who remembers them.
        seed: of the initial weights and the data; null: the run's own, so that every seed has its network.
        lrs: peak learning rates of the networks named here by their type, in place of lr.
        tunnels: the tasks, in the alphabets of the stream's, in place of those: what is deployed is then new.
        meta: learn to be learned from: inner steps of gradient descent inside each step; null: none.
        checkpoints: steps after which the weights are kept beside those of the end, for `plasticity inside`.

    Raises:
        ValueError: with meta, the batch does not divide, or the target is the posterior of one who does not learn; a
            checkpoint is beyond the last step.
    """

    def __init__(
        self,
        steps: Natural = 2000,
        batch: Count = 64,
        lr: Positive = 3e-3,
        warmup: Natural = 100,
        clip: Positive = 1.0,
        weight_decay: NonNegative = 0.0,
        target: PretrainTarget = "samples",
        episodes: Count = 1,
        seed: Natural | None = None,
        lrs: Mapping[str, Positive] | None = None,
        tunnels: Sequence[Recipe[Tunnel]] = (),
        meta: Meta | None = None,
        checkpoints: Sequence[Natural] = (),
    ):
        if meta and batch % (parts := meta.latents * (meta.steps + 1)):
            raise ValueError(
                f"batch: expected a multiple of meta.latents x (meta.steps + 1) = {parts}, got {batch}"
            )
        if meta and target != "samples":
            raise ValueError(f"target: expected samples where there is meta, got {target}")
        if checkpoints and max(checkpoints) > steps:
            raise ValueError(
                f"checkpoints: expected steps up to {steps}, the last one, got {max(checkpoints)}"
            )
        self.steps, self.batch, self.lr, self.warmup = steps, batch, lr, warmup
        self.clip, self.weight_decay, self.seed = clip, weight_decay, seed
        self.target: PretrainTarget = target
        self.episodes, self.lrs = episodes, dict(lrs or {})
        self.tunnels, self.meta, self.checkpoints = list(tunnels), meta, sorted(set(checkpoints))

    def of(self, network: type[Network]) -> "Pretrain":
        """The plan for networks of this type: its learning rate is decided."""
        mine = copy(self)
        mine.lr, mine.lrs = self.lrs.get(network.__name__, self.lr), {}
        return mine

    def seeded(self, seed: int) -> int:
        """The seed of this phase in a run of that seed."""
        return seed if self.seed is None else self.seed
