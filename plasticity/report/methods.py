"""Methods: the paragraph that a paper needs of a run, written from what the run has stored and from nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from plasticity.metrics.summary import spread
from plasticity.report.sections import RunData

ALONE = ("type", "tunnels", "steps", "batch", "time")
"""Of a stream, what has a place of its own in the sentence."""


def methods(of: RunData) -> list[str]:
    """Worlds, network, learners, what was measured, tests, and versions; a paragraph each.

    Args:
        of: a run, finished or not.
    """
    config = of.run.config
    return [
        _world(config, sorted({cell.seed for cell in of.cells})),
        _network(config, of),
        _learners(config, of),
        _measures(of),
        _versions(of.run.environment),
    ]


def _world(config: Mapping[str, Any], seeds: Sequence[int]) -> str:
    stream = config.get("stream") or {}
    tunnels = _listed(stream.get("tunnels"))
    how = _named({k: v for k, v in stream.items() if k == "type" or k not in ALONE})
    told = "announced to the learner" if config.get("announce_shifts", True) else "not announced"
    if detector := config.get("detector"):
        told += f", and detected by {_value(detector)}"
    size = _size(stream)
    return (
        f"Every learner met the same stream, {how}{f' of {tunnels}' if tunnels else ''}{size}, under "
        f"{_count(len(seeds), 'seed')} ({', '.join(map(str, seeds))}), each of which draws the world, the network and "
        f"the strategy's randomness anew. Shifts were {told}."
    )


def _size(stream: Mapping[str, Any]) -> str:
    if not stream.get("steps"):
        return ""
    batch, time = stream.get("batch"), stream.get("time")
    rows = f" of {_count(batch, 'sequence')}" if batch else ""
    long = f" of {time} symbols" if batch and time else ""
    return f", {_count(stream['steps'], 'batch', 'batches')}{rows}{long}"


def _network(config: Mapping[str, Any], of: RunData) -> str:
    nets = config.get("networks") or config.get("network")
    gaps = [g for c in of.cells if (g := c.meta.get("pretrained_gap")) is not None]
    text = f"The network was {_listed(nets, ' or ')}"
    plan = config.get("pretrain")
    if not plan:
        return f"{text}, not pretrained."
    size = _count(plan.get("batch"), "sequence")
    told = f"{_count(plan.get('steps'), 'step')} of {size}, each under a latent of its own"
    gap = f", to {spread(gaps, 3)} bits from the exact predictive" if gaps else ""
    return f"{text}, pretrained on {told} (target: {plan.get('target', 'samples')}){gap}."


def _learners(config: Mapping[str, Any], of: RunData) -> str:
    given = config.get("strategies") or config.get("strategy")
    steps = (config.get("updates") or {}).get("steps", 1)
    per = (config.get("updates") or {}).get("per", "batch")
    cost = {
        label: np.mean(found)
        for label, each in of.summaries.items()
        if (found := [v for s in each if isinstance(v := s.get("cost/backward"), float | int)])
    }
    passes = "; ".join(f"{label} {value:.1f}" for label, value in cost.items())
    spent = f" Backward passes for each that one prediction takes: {passes}." if passes else ""
    return (
        f"Strategies, with every argument: {_listed(given)}. Each predicted every batch before it "
        f"learned from it (prequentially), {_count(steps, 'update')} per {per}. "
        f"Arguments were not tuned within this run.{spent}"
    )


def _measures(of: RunData) -> str:
    lost = [c.name for c in of.cells if not c.done]
    open_ = f" Not finished: {', '.join(lost)}." if lost else ""
    return (
        "Answers are scored as KL(informed || model) in bits per asked position, where the informed observer knows the "
        "latent. Skill is (KL(amnesic) - KL(model)) / (KL(amnesic) - KL(continual)) (a forecast skill score, Murphy "
        "1988): 0 is the exact posterior of one episode alone, 1 that of all episodes of the regime. Values are means "
        "over seeds with 95 % intervals (Student's t). Strategies are compared under the same seeds by paired t tests "
        f"at 5 %, corrected (Holm 1979) for every pair and for each against 0.{open_}"
    )


def _versions(about: Mapping[str, Any]) -> str:
    packages = ", ".join(f"{name} {v}" for name, v in (about.get("packages") or {}).items())
    commit = about.get("commit")
    source = f"commit {str(commit)[:12]}" if commit else "no commit known"
    changed = ", with local changes" if about.get("changed") else ""
    return (
        f"Software: Python {about.get('python')}, {packages} ({source}{changed}), on {about.get('machine')}, "
        f"{_count(about.get('threads') or 1, 'thread')}."
    )


def _listed(these: Any, between: str = "; ") -> str:
    """One recipe, or several."""
    return between.join(map(_value, these)) if isinstance(these, list) else _value(these or "")


def _named(how: Mapping[str, Any]) -> str:
    """A class and its arguments, as a reader would write them."""
    given = ", ".join(f"{k} {_value(v)}" for k, v in how.items() if k != "type" and v is not None)
    return f"{how.get('type')}{f' ({given})' if given else ''}"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return (
            _named(value)
            if "type" in value
            else " ".join(f"{k} {_value(v)}" for k, v in value.items())
        )
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _count(number: Any, one: str, several: str = "") -> str:
    shown = f"{number:,}" if isinstance(number, int) else _value(number)
    return f"{shown} {one if number == 1 else several or one + 's'}"
