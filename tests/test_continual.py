"""The continual wind tunnels: what their names say shifts does, and the two ideals differ wherever a latent is held."""

import shlex
from pathlib import Path

import numpy as np
import pytest

from plasticity import Stream
from plasticity.core.predictors import PREDICTORS
from plasticity.metrics.visits import UNDEFINED
from plasticity.observers.reference import ReferencePredictors
from plasticity.results.store import Run
from streams.tunnels.hmm import HMM

from .test_experiments import ROOT, SHRUNK, experiment, plasticity

FOLDER = ROOT / "experiments/wind_tunnel/continual"
FILES = sorted(FOLDER.glob("*.yaml"))
AMNESIC, CONTINUAL = PREDICTORS.index("amnesic"), PREDICTORS.index("continual")


def worlds(name: str, *overrides: str) -> list[Stream]:
    """The deploy stream under every seed of the file."""
    found = experiment(FOLDER / f"{name}.yaml", *overrides)
    return [found.stream.build(seed=seed) for seed in found.seeds]


def bits(world: Stream) -> np.ndarray:
    """KL(informed || amnesic) and KL(informed || continual) at each step, per asked position."""
    reference, found = ReferencePredictors(world), []
    for step in range(len(world)):
        keyed, groups = world.keyed(step), world.groups(step)
        truth = reference.predict(*keyed, groups)
        with np.errstate(divide="ignore", invalid="ignore"):
            lost = np.where(truth[0] > 0, truth[0] * np.log2(truth[0] / truth), 0.0)
        found.append(lost.sum(-1).mean((1, 2))[[AMNESIC, CONTINUAL]])
        reference.absorb(*keyed, groups, step)
    return np.array(found)


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_skill_is_defined_where_latents_are_held(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every regime and under every seed; where every episode has its own latent, the ideals are one."""
    monkeypatch.setattr(
        "plasticity.observers.reference.SAMPLE", 512
    )  # of baselines that are not looked at
    for world in worlds(file.stem, "--stream.period=4", "--stream.steps=12"):
        lost = bits(world)
        regimes = np.array([world.live(step)[0] for step in range(len(world))])
        for regime in set(regimes.tolist()):
            amnesic, continual = lost[regimes == regime].mean(0)
            if world.holds(regime):
                assert amnesic - continual >= UNDEFINED
            else:
                assert amnesic == continual


def test_the_modulus_changes_and_each_has_its_program() -> None:
    for world in worlds("recurrence"):
        for step, modulus in ((0, 5), (100, 7), (200, 5)):
            (group,) = world.groups(step)
            assert (group.tunnel.modulus, group.latents[0, 0]) == (modulus, 1)  # type: ignore


def test_a_dictionary_is_held_redrawn_or_both() -> None:
    for name, first, second in (("fixed", 1, 1), ("changing", 8, 8), ("mixed", 1, 8)):
        for world in worlds(f"dictionary-{name}"):
            (one,), (other,) = world.groups(0), world.groups(100)
            assert len(np.unique(one.latents, axis=0)) == first
            assert len(np.unique(other.latents, axis=0)) == second
            (back,) = world.groups(200)
            assert (first == 1) == np.array_equal(one.latents, back.latents)


def test_emissions_are_swapped_and_transitions_are_not() -> None:
    """No two regimes of a seed have one model, which the draw of the latents alone does not rule out."""
    for world in worlds("hmm"):
        (tunnel,) = world.tunnels
        assert isinstance(tunnel, HMM)
        models = [int(world.groups(step)[0].latents[0]) for step in (0, 100, 200)]
        assert len(set(models)) == 3
        assert len(np.unique(tunnel.transition, axis=0)) == 1
        assert len(np.unique(tunnel.emission[models], axis=0)) == 3


def test_the_load_changes_and_the_questions_stay() -> None:
    for world in worlds("recall"):
        for step, pairs in ((0, 2), (100, 4), (200, 6)):
            stored = (world[step].inputs == 0).sum(1)
            assert (stored == pairs).all() and world[step].asked.sum() == 2


def test_the_override_that_a_comment_names_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recurrence, 17 to 19."""
    file = FOLDER / "recurrence.yaml"
    (comment,) = (line for line in file.read_text().splitlines() if "--stream" in line)
    named = [w for w in shlex.split(comment) if w.startswith("--")]
    world = experiment(file, *named).stream.build(seed=0)
    assert [tunnel.modulus for tunnel in world.tunnels] == [17, 19]  # type: ignore
    monkeypatch.chdir(tmp_path)
    words = (*SHRUNK, "--stream.period=2", "--seeds=[0]", "--out=runs", *named)
    plasticity(monkeypatch, "run", file, "--run-dir", "one", *words)
    cells = Run(Path("one")).cells()
    assert len(cells) == 3 and all(cell.done for cell in cells)
