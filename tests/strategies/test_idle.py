"""What cannot act within a stream is warned of, and what shows by default does; Kalman's time passes by the step."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import strategies
from plasticity import Batch, Strategy
from plasticity.checks.world import SPEC, loop, world
from plasticity.config.recipe import recipe
from plasticity.core.optimizer import AdamW
from plasticity.core.updates import Updates
from plasticity.engine.learner import OnlineLearner
from plasticity.networks import MLP
from strategies import (
    DER,
    EWC,
    MIR,
    Chain,
    ContinualBackprop,
    Finetune,
    GDumb,
    HareTortoise,
    Kalman,
    LoRA,
    ReDo,
    Replay,
    ShrinkPerturb,
)

from ..calling import GOOD, Call

EVERY = sorted(
    name
    for name, cls in vars(strategies).items()
    if isinstance(cls, type) and issubclass(cls, Strategy) and cls is not Strategy
)
WITHOUT_ARGUMENTS = [name for name in EVERY if name != "Chain"]


def attached(strategy: Strategy) -> Strategy:
    made = OnlineLearner(MLP(3, 3, width=8, depth=1), strategy, AdamW(), SPEC)
    made.attach()
    return strategy


@pytest.mark.parametrize("name", WITHOUT_ARGUMENTS)
def test_by_default_everything_acts_in_the_quickstarts_stream(name: str):
    """600 steps with shifts; and in an endless one."""
    made = attached(getattr(strategies, name)())
    assert made.idle(600, True) is None and made.idle(None, True) is None


@pytest.mark.parametrize("name", WITHOUT_ARGUMENTS)
def test_what_works_at_shifts_is_idle_without(name: str):
    made = attached(getattr(strategies, name)())
    why = made.idle(600, False)
    assert (why == "it works at shifts, and none comes within 600 steps") == made.needs_shifts
    assert (why is None) == (not made.needs_shifts)


@pytest.mark.parametrize("name", [n for n in WITHOUT_ARGUMENTS if getattr(strategies, n).off])
def test_what_is_off_is_idle(name: str):
    cls = getattr(strategies, name)
    why = attached(cls(**cls.off)).idle(600, True)
    assert why is not None and why.endswith(" turns it off")
    assert all(f"{name}: {value}" in why for name, value in cls.off.items())


@pytest.mark.parametrize(
    "made, key",
    [
        (Replay(weight=0.0), "weight"),
        (MIR(weight=0.0), "weight"),
        (DER(alpha=0.0, beta=0.0), "alpha"),
        (ReDo(every=601), "every"),
        (HareTortoise(every=601), "every"),
        (GDumb(period=601), "period"),
        (ContinualBackprop(rate=1e-6), "rate"),
        (ContinualBackprop(maturity=600), "rate"),
        (Chain([Replay(weight=0.0), EWC()]), "Replay: weight"),
        (Chain([Chain([ReDo(every=700)])]), "ReDo: every"),
        (Chain(), "parts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_its_own_arguments_keep_from_acting_is_idle(made: Strategy, key: str):
    why = attached(made).idle(600, True)
    assert why is not None and why.startswith(f"{key}: ")


def test_gradient_steps_are_what_every_counts():
    """Two per step: 601 are reached in 301."""
    assert ReDo(every=601).idle(300, True, 2) and not ReDo(every=601).idle(301, True, 2)
    assert GDumb(period=601).idle(301, True, 2)  # steps of the stream


@pytest.mark.parametrize(
    "updates, number",
    [
        (Updates(), 1),
        (Updates(steps=3), 3),
        (Updates("episode"), 4),
        (Updates("chunk", 2, 2), 4 * 3 * 2),
        (Updates("chunk", 100), 4),
    ],
    ids=["batch", "three steps", "episodes", "chunks", "whole chunks"],
)
def test_the_steps_of_a_batch_are_counted(updates: Updates, number: int):
    """The first regime of the world is asked at 1, 3 and 5 of 6: every chunk of 2 has a question."""
    assert updates.number(world(1)[0]) == number


def written(strategy: dict[str, Any], **keys: Any) -> None:
    config = yaml.safe_load(GOOD) | {"strategies": [{"type": "Frozen"}, strategy]}
    for key, value in keys.items():
        where, _, name = key.rpartition("_")
        (config[where] if where else config)[name] = value
    Path("good.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


@pytest.mark.parametrize(
    "strategy, keys, text",
    [
        ({"type": "ReDo", "every": 50}, {}, "every: 50 gradient steps, and there are 10: ReDo"),
        ({"type": "Replay", "capacity": 0}, {}, "capacity: 0 turns it off: Replay"),
        ({"type": "EWC"}, {"stream_period": 10}, "none comes within 10 steps: EWC"),
        (
            {"type": "Chain", "parts": [{"type": "SI", "strength": 0}]},
            {},
            "SI: strength: 0.0 turns",
        ),
    ],
)
def test_validation_warns_and_goes_on(
    call: Call, strategy: dict[str, Any], keys: dict[str, Any], text: str
):
    """With its place in the file, and exit code 0."""
    written(strategy, **keys)
    done = call("validate", "good.yaml")
    assert done.code == 0 and "fine" in done.out
    (line,) = done.err.strip().splitlines()
    key, _, rest = text.partition(": ")
    assert line.startswith("warning: good.yaml:") and (rest if key in strategy else text) in line
    assert line.endswith("cannot act in this stream") and "strategies" in line


def test_validation_is_silent_where_all_acts(call: Call):
    written({"type": "EWC"})
    done = call("validate", "good.yaml")
    assert done.code == 0 and not done.err


@pytest.mark.parametrize(
    "strategy, text",
    [
        (
            {"type": "Chain", "parts": [{"type": "Kalman"}, {"type": "Replay"}]},
            "shares no gradient",
        ),
        ({"type": "Chain", "parts": [{"type": "LoRA"}, {"type": "GPM"}]}, "beside LoRA"),
        ({"type": "Chain", "parts": [{"type": "ReDo"}, {"type": "LoRA"}]}, "beside LoRA"),
        ({"type": "Kalman", "curvature": "exact"}, "take `curvature: bound`"),
    ],
)
def test_validation_refuses_what_cannot_be_attached(
    call: Call, strategy: dict[str, Any], text: str
):
    written(strategy, network={"type": "MLP", "width": 2000, "depth": 1})
    done = call("validate", "good.yaml")
    assert done.code == 2 and text in done.err and "Traceback" not in done.err
    assert done.err.startswith("good.yaml:") and "strategies.1" in done.err


def learned(made: Kalman, updates: Updates) -> Kalman:
    """After eight steps, three visits, of one network whatever the cut."""
    subject = loop(recipe(Finetune))
    made_learner = OnlineLearner(
        subject.learner.network, made, AdamW(), SPEC, updates=updates, asked=subject.learner.asked
    )
    made_learner.attach()
    stream = world(8)
    for step in range(8):
        made_learner.begin(step)
        for episode in updates.episodes(stream[step]):
            for piece in updates.pieces(episode):
                made_learner.learn(piece, made_learner.predict(piece))
            made_learner.finish_batch(episode)
    return made


CUTS = [Updates(), Updates("episode"), Updates("chunk", 3), Updates("chunk", 2)]


@pytest.mark.parametrize("drift", [0.0, 1e-3])
def test_the_same_data_leave_the_same_precision_however_they_are_cut(drift: float):
    """With the bound on curvature it does not depend on what was predicted: to rounding of what the head is shown."""
    args = {"decay": 0.9, "drift": drift, "curvature": "bound"}
    found = [learned(Kalman(**args), each).precision for each in CUTS]
    for each in found[1:]:
        torch.testing.assert_close(each, found[0], rtol=1e-5, atol=1e-5)


def test_the_precision_by_hand():
    """P^-1 <- decay P^-1 + (1 - decay) / variance + sum_n x_n x_n^T / 2, step by step."""
    made = learned(Kalman(variance=0.5, decay=0.8, curvature="bound"), Updates("chunk", 2))
    network = loop(recipe(Finetune)).learner.network
    seen = list[torch.Tensor]()
    network.get_submodule("head").register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    exact = torch.eye(9, dtype=torch.float64) / 0.5
    for step in range(8):
        batch: Batch = world(8)[step]
        network(batch.inputs)
        x = seen.pop()[:, batch.asked].flatten(0, 1).detach().double()
        x = torch.cat([x, torch.ones(len(x), 1)], dim=1)
        exact = 0.8 * exact + 0.2 / 0.5 * torch.eye(9) + x.T @ x / 2
    torch.testing.assert_close(made.precision, exact, rtol=1e-6, atol=1e-6)


def test_exact_curvature_differs_only_by_where_it_is_taken():
    """Traces within 5 %; with decay at every update they differed many times over."""
    traces = [float(learned(Kalman(decay=0.5), each).precision.trace()) for each in CUTS]
    assert max(traces) / min(traces) < 1.05


@pytest.mark.parametrize("kind", [ReDo, HareTortoise, ShrinkPerturb])
def test_by_default_it_does_something_in_a_few_hundred_steps(kind: type[Strategy]):
    """Its arguments are of the scale of a regime of a hundred steps, and not of a long life."""
    arguments = recipe(kind).resolved()
    assert arguments.get("every", 1) <= 100
    if kind is ShrinkPerturb:  # the share of each weight that 600 steps take
        assert 1 - (1 - arguments["shrink"]) ** 600 > 0.05


def test_an_adapter_leaves_no_unit_to_begin_anew():
    for kind in (ReDo, ContinualBackprop):
        with pytest.raises(ValueError, match="do not put it beside LoRA"):
            attached(Chain([LoRA(), kind()]))
        attached(Chain([LoRA(), kind(**kind.off)]))
