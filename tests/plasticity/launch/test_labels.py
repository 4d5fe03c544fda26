"""Labels of contenders: for people, short, and different where the contenders are."""

from typing import Any

import pytest

from plasticity import Strategy, recipe
from plasticity.config.recipe import Recipe
from plasticity.launch.experiment import Experiment
from plasticity.networks import LSTM
from strategies import EWC, Chain, Finetune, L2Init, Replay
from streams import Markov, Recurring


def labels(*strategies: Recipe[Strategy]) -> list[str]:
    return list(experiment(strategies=strategies).contenders())


def experiment(**given: Any) -> Experiment:
    stream = recipe(Recurring, tunnels=[recipe(Markov, symbols=3)], period=5)
    return Experiment(stream=stream, network=recipe(LSTM, width=8, depth=1), **given)


def chain(*parts: Recipe[Strategy]) -> Recipe[Strategy]:
    return recipe(Chain, parts=list(parts))


def test_chains_are_called_by_their_parts() -> None:
    found = labels(chain(recipe(EWC), recipe(L2Init)), chain(recipe(Replay), recipe(L2Init)))
    assert found == ["Chain(EWC+L2Init)", "Chain(Replay+L2Init)"]


def test_chains_of_the_same_parts_by_what_differs_in_them() -> None:
    found = labels(
        chain(recipe(EWC, strength=1.0), recipe(L2Init)),
        chain(recipe(EWC, strength=2.0), recipe(L2Init)),
    )
    assert found == ["Chain(EWC(strength=1.0)+L2Init)", "Chain(EWC(strength=2.0)+L2Init)"]


def test_a_label_fits_a_table() -> None:
    parts = [recipe(each) for each in (EWC, L2Init, Replay, Finetune) for _ in range(5)]
    one, other = labels(chain(*parts), chain(*parts, recipe(EWC)))
    assert max(len(one), len(other)) == 80
    assert one != other


class FINETUNE(Finetune):
    """Another, on a file system that folds case."""


def test_labels_differ_beyond_case() -> None:
    one, other = labels(recipe(Finetune), recipe(FINETUNE))
    assert one == "Finetune"
    assert other.casefold() != one.casefold()


def test_the_same_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="strategies: EWC is there twice"):
        labels(recipe(EWC), recipe(EWC))


def test_an_experiment_stays_in_its_folder() -> None:
    with pytest.raises(ValueError, match="^name: "):
        experiment(strategy=recipe(EWC), name="..\\..")
