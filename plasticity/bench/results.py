"""Results: what a benchmark found, as one JSON file that others can check. These signatures are its schema."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from plasticity.bench import document
from plasticity.config.recipe import plain, show
from plasticity.config.schema import parse
from plasticity.config.yaml_source import Located, Spot
from plasticity.core.bounded import Count, Natural, NonNegative, Positive
from plasticity.core.errors import ConfigError, Problem
from plasticity.results.sealed import write_json

How = Literal["tuned", "own", "none"]
"""Whose a learning rate is: the best of the grid, given by the strategy's arguments, or nobody's."""
SCHEMA = 1
"""Version of the file's form."""
CLOSE = 1e-9
"""How far bits may be from those that are computed again, or below 0: rounding."""
Bits = Annotated[float, Ge(-CLOSE), Le(1e39)]
"""A divergence: none is below 0, and none is more than logits of 32 bits can say."""
Difference = Annotated[float, Ge(-1e39), Le(1e39)]
"""Of two divergences."""
Milliseconds = Annotated[float, Ge(1e-2), Le(1e7)]
"""Of a step: no forward pass takes under 10 microseconds, and no benchmark three hours a step."""
Parameters = Annotated[int, Ge(0), Le(10**12)]
"""How many numbers are trained."""
Bytes = Annotated[int, Ge(0), Le(2**50)]
"""Of memory."""
Passes = Annotated[float, Ge(0), Le(1e9)]
"""Of a network, for each that one prediction takes."""


@dataclass
class Identity:
    """Which suite it was.

    Args:
        name: of the suite.
        version: of the suite.
        hash: of all that it asks.
    """

    name: str
    version: str
    hash: str


@dataclass
class Environment:
    """What the numbers may depend on besides the suite.

    Args:
        python: its version.
        packages: versions by name.
        commit: of the source; null outside a checkout.
        changed: whether the source differed from the commit.
        machine: kind of processor.
        cores: how many; null: not known.
        threads: of torch, in the process that led.
        command: what was typed.
    """

    python: str
    packages: Mapping[str, str]
    commit: str | None
    changed: bool
    machine: str
    cores: Count | None
    threads: Count
    command: Sequence[str]


@dataclass
class TunedRate:
    """The learning rate of one strategy with one network, and how it was chosen.

    Args:
        network: label.
        strategy: label.
        how: tuned: best mean skill in the held-out worlds; own: given by the strategy's arguments; none: it has none.
        lr: what was chosen; null unless tuned.
        skills: rate of the grid -> mean skill in the held-out worlds; null: undefined in one of them, or diverged.
    """

    network: str
    strategy: str
    how: How
    lr: Positive | None
    skills: Mapping[str, float | None]


@dataclass
class Score:
    """The numbers of one cell; null: undefined, or not finite.

    Args:
        stream: name of the world.
        network: label.
        strategy: label.
        seed: of the world, the network and the strategy.
        lr: of the optimizer; null: it moves nothing, or the strategy brings its own.
        skill: 0: the best any frozen model can do, 1: the ideal continual learner.
        forgetting: forgetting/chaudhry2018, in bits.
        recovery: recovery/skill50, in steps.
        ms_per_step: wall-clock milliseconds.
        trainable: parameters that the optimizer moves.
        memory_bytes: of the strategy's buffers.
        pretrained_gap: KL(amnesic || network) before the first step, in bits; null: not pretrained.
        kl: KL(informed || who) in bits per asked position, of the model, the observers and the baselines.
        diverged: step from which its bits were no numbers; null: never, or not known.
        excess: frontier/excess, in bits; null: undefined, or not known.
        forward: cost/forward; null: not counted, or not known.
        backward: cost/backward; the same.
    """

    stream: str
    network: str
    strategy: str
    seed: Natural
    lr: Positive | None
    skill: float | None
    forgetting: Difference | None
    recovery: NonNegative | None
    ms_per_step: Milliseconds
    trainable: Parameters
    memory_bytes: Bytes
    pretrained_gap: Bits | None
    kl: Mapping[str, Bits | None]
    diverged: Natural | None = None
    excess: Difference | None = None
    forward: Passes | None = None
    backward: Passes | None = None


@dataclass
class BenchResults:
    """Everything that was found.

    Args:
        schema: version of this form.
        suite: which suite it was.
        strategies: label -> arguments of each, in order.
        contenders: labels of those that are not the suite's own.
        environment: versions, commit, machine.
        rates: how learning rates were chosen.
        cells: the numbers.
    """

    schema: int
    suite: Identity
    strategies: Mapping[str, Mapping[str, Any]]
    contenders: Sequence[str]
    environment: Environment
    rates: Sequence[TunedRate]
    cells: Sequence[Score]

    def write(self, path: Path) -> None:
        """The file, whole."""
        write_json(path, plain(self))


def read(path: Path) -> BenchResults:
    """Results from their file.

    Raises:
        ConfigError: it cannot be read, or has another form; with every problem, by key.
    """
    value = document.read(path)
    if isinstance(value, dict) and value.get("schema", SCHEMA) != SCHEMA:
        text = f"expected {SCHEMA}, got {show(value['schema'])}: another form of the file"
        raise ConfigError([Problem(f"{path}: schema", text)])
    try:
        return parse(BenchResults, Located(value, {(): Spot(str(path))}), [])
    except ConfigError as error:
        raise ConfigError(document.first(list(error.problems))) from error
