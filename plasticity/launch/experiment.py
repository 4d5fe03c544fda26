"""Experiment: one YAML file is one of these. Pretrain once, then run every strategy against the same world."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from plasticity.config.plugins import known
from plasticity.config.recipe import Recipe, plain
from plasticity.core.bounded import Count, Natural
from plasticity.core.detector import Detector
from plasticity.core.errors import did_you_mean
from plasticity.core.learner import Spec
from plasticity.core.logger import Logger
from plasticity.core.names import check_name, hashed, printable, short
from plasticity.core.network import Network
from plasticity.core.optimizer import AdamW, Optimizer
from plasticity.core.strategy import Strategy
from plasticity.core.stream import Stream
from plasticity.core.updates import Updates
from plasticity.diagnostics import Condition
from plasticity.engine.config import Pretrain, TrainerConfig
from plasticity.engine.pretrain_key import Key
from plasticity.tracking import Wandb
from plasticity.tracking.lightning import folders

T = TypeVar("T")


class CellSpec(NamedTuple):
    """What runs in a cell."""

    network: Recipe[Network]
    strategy: Recipe[Strategy]


INDIFFERENT = (
    "networks",
    "strategies",
    "seeds",
    "name",
    "out",
    "keep",
    "wandb",
    "loggers",
    "pretrain",
    "hardware",
)
"""Keys that decide no number of a cell, that are lists of what one cell has one of, or that are told apart elsewhere:
pretraining and machine are in the key of the pretrained network."""


@dataclass
class Experiment:
    """A world, a network pretrained in it, and the strategies that then move its weights.

    Args:
        stream: the deploy stream.
        network: what learns, or
        networks: several, each pretrained and run with every strategy.
        strategy: one strategy, or
        strategies: several, each run against the same stream and pretrained weights.
        name: runs lie in <out>/<name>/.
        pretrain: the first phase.
        optimizer: the rule of every strategy that does not bring its own learning rate.
        announce_shifts: whether strategies are told that the regime changed.
        detector: tells them instead, when the learner's loss betrays it.
        updates: how finely a batch is cut into updates, and how many each.
        stretch: steps between probes, checkpoints and logged means.
        condition: what is measured of the network, and how often.
        seed: one seed, or
        seeds: several; each draws its own world, and pretrains its own network.
        wandb: how wandb is told.
        loggers: of Lightning's, which are told the same; each writes inside the folder of its cell.
        hardware: where it runs.
        keep: whether the checkpoint of a finished cell stays, for `plasticity matrix`.
        out: folder of all runs.
    """

    stream: Recipe[Stream]
    network: Recipe[Network] | None = None
    networks: Sequence[Recipe[Network]] = ()
    strategy: Recipe[Strategy] | None = None
    strategies: Sequence[Recipe[Strategy]] = ()
    name: str = "experiment"
    pretrain: Pretrain = field(default_factory=Pretrain)
    optimizer: Recipe[Optimizer] = field(default_factory=lambda: Recipe(AdamW, {}))
    announce_shifts: bool = True
    detector: Recipe[Detector] | None = None
    updates: Updates = field(default_factory=Updates)
    stretch: Count = 25
    condition: Condition = field(default_factory=Condition)
    seed: Natural = 0
    seeds: Sequence[Natural] = ()
    wandb: Wandb = field(default_factory=Wandb)
    loggers: Sequence[Recipe[Logger]] = ()
    hardware: TrainerConfig = field(default_factory=TrainerConfig)
    keep: bool = False
    out: str = "runs"

    def __post_init__(self) -> None:
        for one, several in (("network", "networks"), ("strategy", "strategies")):
            text = f"expected either `{one}` (one) or `{several}` (a list of at least one)"
            if getattr(self, one) is None and not getattr(self, several):
                raise ValueError(f"{several}: {text}, got neither")
            if getattr(self, one) is not None and getattr(self, several):
                raise ValueError(f"{several}: {text}, got both")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: each seed once, got {list(self.seeds)}")
        check_name(self.name)
        folders(self.loggers)
        if self.pretrain.steps and self.pretrain.batch % self.hardware.devices:
            raise ValueError(
                f"hardware: expected devices that share pretrain.batch ({self.pretrain.batch}) equally, "
                f"got {self.hardware.devices}"
            )
        self.contenders()  # labels must differ
        types = known(Network, [Network])
        for name in self.pretrain.lrs.keys() - types.keys():
            near = did_you_mean(name, types) or f" Known: {', '.join(types)}"
            raise ValueError(f"pretrain.lrs.{name}: there is no network of this name.{near}")

    def contenders(self) -> dict[str, CellSpec]:
        """Label -> (network, strategy). The label names the strategy, and the network where there are several."""
        networks = self.labelled_networks()
        strategies = _labelled("strategies", [self.strategy] if self.strategy else self.strategies)
        found: dict[str, CellSpec] = {}
        for net, network in networks.items():
            for name, strategy in strategies.items():
                both = f"{net}-{name}" if len(networks) > 1 else name
                found[_distinct(both, f"{net}/{name}", found)] = CellSpec(network, strategy)
        return found

    def pretraining(self, network: Recipe[Network], seed: int) -> Key:
        """What the first phase of this network and seed depends on."""
        plan, spec = self.pretrain.of(network.cls), Spec.of(self.stream.build(seed=seed))
        return Key(network, self.stream, plan, spec, plan.seeded(seed), self.hardware)

    @property
    def pretrained(self) -> Path:
        """Folder of all pretrained networks."""
        return Path(self.out) / "pretrained"

    def labelled_networks(self) -> dict[str, Recipe[Network]]:
        """Label -> network."""
        return _labelled("networks", [self.network] if self.network else self.networks)


def single(experiment: Experiment, contender: CellSpec, seed: int) -> Experiment:
    """The experiment of this network, this strategy and this seed alone."""
    return replace(
        experiment,
        network=contender.network,
        networks=(),
        strategy=contender.strategy,
        strategies=(),
        seed=seed,
        seeds=(),
    )


def deciding(experiment: Experiment) -> dict[str, Any]:
    """Of an experiment of one cell, all settings but INDIFFERENT: whatever is new decides, until it is named there."""
    return plain({k: v for k, v in vars(experiment).items() if k not in INDIFFERENT})


def _labelled(key: str, recipes: Sequence[Recipe[T]]) -> dict[str, Recipe[T]]:
    """Label -> recipe: the class name, and the arguments by which those of one class differ, defaults told or not."""
    every = [recipe.resolved() for recipe in recipes]
    found: dict[str, Recipe[T]] = {}
    for nth, (recipe, mine) in enumerate(zip(recipes, every, strict=True)):
        label = briefly(mine, every)
        if mine in every[:nth]:
            raise ValueError(f"{key}: {short(label)} is there twice")
        found[_distinct(label, repr(mine), found)] = recipe
    return found


def briefly(value: Any, kin: Sequence[Any]) -> str:
    """A value of a YAML for a label, as briefly as tells it from others in its place: `Chain(Replay+L2Init)`.

    Args:
        value: resolved.
        kin: what stands in its place elsewhere, it among them.
    """
    if isinstance(value, list):
        lists = [each for each in kin if isinstance(each, list)]
        items = enumerate(value)
        return "+".join(briefly(v, [each[i] for each in lists if i < len(each)]) for i, v in items)
    if not isinstance(value, dict):
        return str(value)
    kind = value.get("type", "")
    alike = [each for each in kin if isinstance(each, dict) and each.get("type", "") == kind]
    own = {k: v for k, v in value.items() if v is not None and any(v != o.get(k) for o in alike)}
    words = {k: briefly(v, [each[k] for each in alike if k in each]) for k, v in own.items()}
    detail = ",".join(w if typed(own[k]) else f"{k}={w}" for k, w in words.items())
    return f"{kind}({detail})" if detail else kind


def typed(value: Any) -> bool:
    """Whether it says itself what it is: something with a `type`, or a list of such."""
    parts = value if isinstance(value, list) else [value]
    return bool(parts) and all(isinstance(each, dict) and "type" in each for each in parts)


def _distinct(label: str, whole: str, taken: Collection[str]) -> str:
    """The label, printable and short; with a hash of what it stands for where another looks the same, case aside."""
    label = short(printable(" ".join(label.split())))
    same = label.casefold() in {other.casefold() for other in taken}
    return hashed(label, whole) if same else label
