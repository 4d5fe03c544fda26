"""Suite: one YAML file is one of these. The worlds, networks and strategies that a leaderboard is made of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from plasticity.config.recipe import Recipe, plain
from plasticity.core.bounded import Count, Natural, Positive
from plasticity.core.detector import Detector
from plasticity.core.errors import ConfigError, Problem, did_you_mean
from plasticity.core.names import check_name
from plasticity.core.network import Network
from plasticity.core.optimizer import AdamW, Optimizer
from plasticity.core.strategy import Strategy
from plasticity.core.stream import Stream
from plasticity.core.updates import Updates
from plasticity.diagnostics import Condition
from plasticity.engine.config import Pretrain, TrainerConfig
from plasticity.launch.experiment import CellSpec, Experiment
from plasticity.results.sealed import digest
from plasticity.tracking import Wandb

YOUNGER: Mapping[str, Mapping[str, Any]] = {
    "": {"budget": None},
    "pretrain": {"tunnels": [], "meta": None, "episodes": 1, "checkpoints": []},
}
"""Class, or key of a suite, or "" for the suite itself -> arguments that came after results were published, and the
values that change no number. An argument that a suite rests on is added here when it is added to its class; else the
suite is another."""
FORMER = {"f550c00299605b3a": "eababeb73be28552"}
"""Hash of a suite -> that under which its results were published before. That was of more: of everything in the file,
so that it changed with `hardware.devices` and `pretrain.tunnels`, which came later and change none of its numbers."""


@dataclass
class Tuning:
    """How every strategy gets its learning rate: the best mean skill in worlds that do not count, from one grid.

    Args:
        streams: the held-out worlds, by name.
        lrs: the grid, the same for every strategy and every network.
        seeds: of the held-out worlds; none of them counts.
    """

    streams: Mapping[str, Recipe[Stream]]
    lrs: Sequence[Positive]
    seeds: Sequence[Natural] = (100,)

    def __post_init__(self) -> None:
        for key in ("streams", "lrs", "seeds"):
            if not getattr(self, key):
                raise ValueError(f"{key}: expected at least one")
        if list(self.lrs) != sorted(set(self.lrs)):
            raise ValueError(f"lrs: expected rates in ascending order, got {list(self.lrs)}")


@dataclass
class Budget:
    """What a strategy may cost at most, as its cells measure it; null: as much as it likes.

    Args:
        forward: passes of a network forward, for each that one prediction takes (`cost/forward`).
        backward: the same, backward (`cost/backward`).
        memory_bytes: of the strategy's buffers (`cost/memory_bytes`).
    """

    forward: Positive | None = None
    backward: Positive | None = None
    memory_bytes: Natural | None = None

    def excess(self, summary: Mapping[str, Any]) -> list[tuple[str, str]]:
        """(argument, what was expected) of all that a cell took too much of."""
        pairs = ((key, allowed, summary.get(f"cost/{key}")) for key, allowed in vars(self).items())
        return [
            (key, f"expected at most {allowed:g}, got {took:.5g}")
            for key, allowed, took in pairs
            if allowed is not None and took is not None and took > allowed * (1 + 1e-9)
        ]


@dataclass
class Suite:
    """Streams x networks x strategies x seeds, and how learning rates are chosen.

    Args:
        name: cells lie in <out>/bench/<name>/.
        version: of the suite; results of different versions are not compared.
        streams: the worlds that count, by name.
        networks: each is pretrained in every world.
        strategies: each faces every world with every network.
        seeds: each draws its own worlds, and pretrains its own networks.
        tuning: how learning rates are chosen.
        contenders: strategies that face the suite without being part of it.
        pretrain: the first phase.
        optimizer: the rule of all strategies; its learning rate is the one that is chosen.
        announce_shifts: whether strategies are told that the regime changed.
        detector: tells them instead, when the learner's loss betrays it.
        updates: how finely a batch is cut into updates, and how many each.
        stretch: steps between probes and checkpoints.
        hardware: where it runs.
        budget: what a strategy may cost; a contest in which one costs more is called off.
    """

    name: str
    version: str
    streams: Mapping[str, Recipe[Stream]]
    networks: Sequence[Recipe[Network]]
    strategies: Sequence[Recipe[Strategy]]
    seeds: Sequence[Natural]
    tuning: Tuning
    contenders: Sequence[Recipe[Strategy]] = ()
    pretrain: Pretrain = field(default_factory=Pretrain)
    optimizer: Recipe[Optimizer] = field(default_factory=lambda: Recipe(AdamW, {}))
    announce_shifts: bool = True
    detector: Recipe[Detector] | None = None
    updates: Updates = field(default_factory=Updates)
    stretch: Count = 25
    hardware: TrainerConfig = field(default_factory=TrainerConfig)
    budget: Budget | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.budget and self.hardware.compile != "off":
            raise ValueError("budget: expected hardware.compile off, where passes are counted")
        for key in ("streams", "seeds"):
            if not getattr(self, key):
                raise ValueError(f"{key}: expected at least one")
        if shared := sorted({*self.seeds} & {*self.tuning.seeds}):
            raise ValueError(f"tuning: seed {shared[0]} counts already: expected others")
        self.experiments("runs")
        self.labels()

    @property
    def hash(self) -> str:
        """Of what decides the numbers, defaults filled in: 16 hexadecimal digits.

        Names and contenders do not, nor does where it runs, but for the precision.
        """
        asked = plain(self)
        for key in ("name", "version", "contenders", "hardware"):
            del asked[key]
        asked["precision"] = self.hardware.precision
        return digest(settled(asked))[:16]

    def experiments(self, out: str, tuning: bool = False) -> dict[str, Experiment]:
        """Name of a stream -> every network and strategy in it, under every seed.

        Args:
            out: folder of all runs.
            tuning: in the held-out worlds.
        """
        part = self.tuning if tuning else self
        return {
            name: Experiment(
                stream=stream,
                networks=self.networks,
                strategies=[*self.strategies, *self.contenders],
                name=self.name,
                pretrain=self.pretrain,
                optimizer=self.optimizer,
                announce_shifts=self.announce_shifts,
                detector=self.detector,
                updates=self.updates,
                stretch=self.stretch,
                condition=Condition(every=0),
                seeds=part.seeds,
                wandb=Wandb("disabled"),
                hardware=self.hardware,
                out=out,
            )
            for name, stream in part.streams.items()
        }

    def labels(self) -> list[str]:
        """What each strategy is called, contenders last; a contender changes no name of the suite's own."""
        every = next(iter(self.experiments("runs").values()))
        every = replace(every, network=self.networks[0], networks=())
        own = list(replace(every, strategies=self.strategies).contenders())
        found = [*own, *list(every.contenders())[len(own) :]]
        if twice := sorted({label for label in found if found.count(label) > 1}):
            raise ValueError(
                f"contenders: {twice[0]} is there twice: give an argument that differs"
            )
        return found

    def entrants(self) -> Iterator[tuple[str, str, CellSpec]]:
        """(label of the network, label of the strategy, both) in the order of the YAML, contenders last."""
        networks = next(iter(self.experiments("runs").values())).labelled_networks()
        strategies = [*self.strategies, *self.contenders]
        for label, network in networks.items():
            for name, strategy in zip(self.labels(), strategies, strict=True):
                yield label, name, CellSpec(network, strategy)


def today(hash: str) -> str:
    """The hash that a suite has now, where results were published under a former one."""
    return next((now for now, former in FORMER.items() if former == hash), hash)


def settled(value: Any, name: str = "") -> Any:
    """A plain value without the arguments that are younger than published results and do nothing here.

    Args:
        value: as `plain` gives it.
        name: the key under which it lies.
    """
    if isinstance(value, list):
        return [settled(each) for each in value]
    if not isinstance(value, dict):
        return value
    young = YOUNGER.get(str(value.get("type", name)), {})
    return {k: settled(v, k) for k, v in value.items() if k not in young or v != young[k]}


def shipped() -> dict[str, Path]:
    """Name -> file of every suite that comes with this package: `cpu-small` in its newest version, `v1/cpu-small`."""
    folder = Path(str(files("plasticity.bench"))) / "suites"
    every = sorted(folder.glob("v*/*.yaml"), key=lambda path: int(path.parent.name[1:]))
    newest = {path.stem: path for path in every}
    return newest | {f"{path.parent.name}/{path.stem}": path for path in every}


def find(name: str) -> Path:
    """The file of a suite.

    Args:
        name: of one that is shipped, or the path of a YAML file.

    Raises:
        ConfigError: it is neither.
    """
    known = shipped()
    if name in known:
        return known[name]
    if Path(name).suffix in (".yaml", ".yml") or Path(name).exists():
        return Path(name)
    near = did_you_mean(name, known) or f" Known: {', '.join(known)}"
    raise ConfigError([Problem(name, f"expected the name of a suite, or a YAML file.{near}")])
