"""Submit: is a results file one that two laboratories can compare? Every fault at once, by key."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from plasticity.bench import document
from plasticity.bench.ideals import BenchWorld, worlds
from plasticity.bench.results import CLOSE, BenchResults, Score
from plasticity.bench.suite import FORMER, Suite, settled
from plasticity.bench.tuning_record import Fault, rates
from plasticity.core.errors import ConfigError, Problem, did_you_mean
from plasticity.core.predictors import MODEL, PREDICTORS
from plasticity.launch.cells import begun
from plasticity.launch.experiment import single

VERSIONED = ("plasticity-testbed", "torch", "pytorch-lightning", "numpy")
LEANER = 0.99
"""Share of the memory that a strategy begins with, which it still has at its end: versions differ by some counters."""
TRUST = (
    "the learner's own numbers (kl.model, excess, forgetting, recovery, ms_per_step, passes, pretrained_gap, diverged, "
    "skills of the tuning; of contenders, sizes) are within their bounds, and taken on faith"
)


def verify(
    results: BenchResults, suite: Suite, path: Path, watch: Callable[[str], object] = str
) -> list[str]:
    """What was verified, in sentences.

    Args:
        results: as they were read.
        suite: which they claim to be of, as it is here.
        path: their file, for complaints.
        watch: told the name of each world whose observers have been computed.

    Raises:
        ConfigError: with every fault.
    """
    found: dict[bool, list[BenchWorld]] = {True: [], False: []}
    for tuning, some in found.items():
        for world in worlds(suite, tuning):
            some.append(world)
            watch(f"{world.name} seed {world.seed}")
    faults = [
        *_identity(results, suite),
        *_cells(results, suite),
        *rates(results, suite, [world.skill(0.0) for world in found[True]]),
        *_numbers(results, suite, {(world.name, world.seed): world for world in found[False]}),
        *_sizes(results, suite),
        *_pretrained(results, suite),
    ]
    if faults:
        raise refused(path, faults)
    own = len(results.strategies) - len(results.contenders)
    return [
        f"suite {suite.name} {suite.version} ({suite.hash})",
        f"{len(results.cells)} cells: all of {own} strategies and {len(results.contenders)} contenders",
        f"every skill is that of its bits, to {CLOSE:g}; every learning rate is the best of its grid",
        f"the exact observers and the baselines of all {len(found[False])} worlds, computed again here, to {CLOSE:g}",
    ]


def refused(path: Path, faults: Sequence[Fault]) -> ConfigError:
    """The error that says the first of the faults, by key of the file."""
    return ConfigError(document.first([Problem(f"{path}: {key}", text) for key, text in faults]))


def lucky(results: BenchResults) -> list[str]:
    """Of each strategy that is nearer the truth than the ideal continual learner: in how many cells.

    Nobody is, but by luck; so it is no fault, and worth a look.
    """
    found: dict[str, int] = {}
    for cell in results.cells:
        model, ideal = cell.kl[MODEL], cell.kl["continual"]
        if model is not None and ideal is not None and model < ideal - CLOSE:
            found[cell.strategy] = found.get(cell.strategy, 0) + 1
    return [
        f"{strategy}: nearer the truth than the ideal continual learner in {count} cells, which takes luck: --rerun"
        for strategy, count in found.items()
    ]


def _identity(results: BenchResults, suite: Suite) -> Iterator[Fault]:
    for key, known in {
        "name": [suite.name],
        "version": [suite.version],
        "hash": [suite.hash, FORMER.get(suite.hash, suite.hash)],
    }.items():
        if (theirs := getattr(results.suite, key)) not in known:
            yield f"suite.{key}", f"expected {known[0]}, got {theirs}: another suite"
    for name in VERSIONED:
        if not results.environment.packages.get(name):
            yield f"environment.packages.{name}", "expected the version that was used, got none"
    own = dict(zip(suite.labels(), suite.strategies, strict=False))
    for label, strategy in own.items():
        if label in results.contenders or label not in results.strategies:
            yield f"strategies.{label}", "expected a strategy of the suite, it is not there"
        elif settled(dict(results.strategies[label])) != settled(strategy.resolved()):
            yield f"strategies.{label}", f"expected {strategy.resolved()}: the suite's arguments"
    for label in results.strategies.keys() - own.keys() - {*results.contenders}:
        yield "strategies." + label, "it is none of the suite's: expected it among the contenders"
    for i, label in enumerate(results.contenders):
        if label not in results.strategies:
            near = did_you_mean(label, results.strategies)
            yield f"contenders.{i}", f"expected one of the strategies, got {label!r}.{near}"
        elif (name := results.strategies[label].get("type")) != label.partition("(")[0]:
            text = "expected a type, with which its label begins"
            yield f"strategies.{label}.type", f"{text}, got {name!r}"
    if list(results.strategies) != [*own, *results.contenders]:
        yield "strategies", f"expected {', '.join([*own, *results.contenders])}, in this order"


def _cells(results: BenchResults, suite: Suite) -> Iterator[Fault]:
    """Every cell of every seed is there, once, and no other."""
    networks = dict.fromkeys(network for network, _, _ in suite.entrants())
    left = {
        (stream, network, strategy, seed)
        for stream in suite.streams
        for network in networks
        for strategy in {*results.strategies, *suite.labels()}
        for seed in suite.seeds
    }
    known = set(left)
    for i, cell in enumerate(results.cells):
        place = (cell.stream, cell.network, cell.strategy, cell.seed)
        if place not in known:
            yield f"cells.{i}", f"{_name(place)} is no cell of the suite"
        elif place not in left:
            yield f"cells.{i}", f"{_name(place)} is there twice"
        left.discard(place)
    for place in sorted(left):
        yield "cells", f"{_name(place)} is missing"


def _numbers(
    results: BenchResults, suite: Suite, known: Mapping[tuple[str, int], BenchWorld]
) -> Iterator[Fault]:
    """The bits of all but the learner are those of the world, and each skill is that of the bits beside it."""
    for i, cell in enumerate(results.cells):
        if (world := known.get((cell.stream, cell.seed))) is None:
            continue  # another fault's business
        for who in cell.kl.keys() - {MODEL, *PREDICTORS}:
            near = did_you_mean(who, [MODEL, *PREDICTORS])
            yield f"cells.{i}.kl.{who}", f"expected nobody of this name.{near}"
        if MODEL not in cell.kl:
            yield f"cells.{i}.kl.{MODEL}", "expected a number of bits or null, it is not there"
        for who, bits in world.bits.items():
            if who not in cell.kl or _far(bits, cell.kl[who]):
                text = f"expected {_bits(bits)}, computed here, got {_bits(cell.kl.get(who))}"
                yield f"cells.{i}.kl.{who}", text
        wanted = world.skill(cell.kl.get(MODEL))
        if _far(wanted, cell.skill):
            yield f"cells.{i}.skill", f"expected {wanted}, which its bits come to, got {cell.skill}"
        if cell.recovery is not None and cell.recovery > world.steps:
            text = f"expected at most {world.steps}, the steps of its world, got {cell.recovery}"
            yield f"cells.{i}.recovery", text
        if cell.diverged is not None and cell.diverged > world.steps:
            text = f"expected a step of {world.steps}, got {cell.diverged}"
            yield f"cells.{i}.diverged", text


def _sizes(results: BenchResults, suite: Suite) -> Iterator[Fault]:
    """What the suite's own strategies train and remember is what they begin with here."""
    sizes: dict[tuple[str, str, str], tuple[int, int]] = {}
    for stream, experiment in suite.experiments("runs").items():
        for network, strategy, spec in suite.entrants():
            learner = begun(single(experiment, spec, suite.seeds[0]))
            trained = sum(p.numel() for p in learner.trainable())
            memory = sum(b.nbytes for b in learner.strategy.buffers())
            sizes[stream, network, strategy] = trained, memory
    for i, cell in enumerate(results.cells):
        if (found := sizes.get((cell.stream, cell.network, cell.strategy))) is None:
            continue
        trained, memory = found
        if cell.trainable != trained:
            yield f"cells.{i}.trainable", f"expected {trained}, counted here, got {cell.trainable}"
        if cell.memory_bytes < LEANER * memory:
            text = f"expected {memory} bytes or more, which it begins with"
            yield f"cells.{i}.memory_bytes", f"{text}, got {cell.memory_bytes}"


def _pretrained(results: BenchResults, suite: Suite) -> Iterator[Fault]:
    """All who faced one world with one network began with the same weights."""
    first: dict[tuple[str, str, int], Score] = {}
    for i, cell in enumerate(results.cells):
        one = first.setdefault((cell.stream, cell.network, cell.seed), cell).pretrained_gap
        if (cell.pretrained_gap is None) != (not suite.pretrain.steps):
            wanted = "a number of bits" if suite.pretrain.steps else "null: nothing is pretrained"
            text = f"expected {wanted}, got {_bits(cell.pretrained_gap)}"
            yield f"cells.{i}.pretrained_gap", text
        elif _far(one, cell.pretrained_gap):
            text = f"expected {one}, as other cells of {cell.stream} {cell.network} seed {cell.seed} have it"
            yield f"cells.{i}.pretrained_gap", f"{text}, got {cell.pretrained_gap}"


def _far(one: float | None, other: float | None) -> bool:
    """Whether two numbers differ, or one of them is missing."""
    if one is None or other is None:
        return one is not other
    return abs(one - other) > CLOSE


def _bits(value: float | None) -> str:
    return "none" if value is None else str(value)


def _name(place: Sequence[object]) -> str:
    *words, seed = place
    return f"{' '.join(map(str, words))} seed {seed}"
