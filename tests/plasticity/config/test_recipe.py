"""Recipe: data until it is built."""

import pickle
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest
from annotated_types import Ge, Interval, Le, Len

from plasticity.config.recipe import Recipe, describe, plain, recipe
from plasticity.core.bounded import Count, Fraction, Positive
from plasticity.core.errors import ConfigError, Problem, did_you_mean


class Layer:
    given: ClassVar = ("vocab",)

    def __init__(self, vocab: int, width: int = 4):
        if width % 2:
            raise ValueError(f"width {width}\nis odd")
        self.vocab, self.width = vocab, width


class Part:
    def __init__(self, weight: float, name: str = "part"):
        self.weight, self.name = weight, name


class Net:
    given: ClassVar = ("vocab", "seed")

    def __init__(
        self,
        vocab: int,
        layers: Sequence[Layer],
        parts: Mapping[str, Part] | None = None,
        pair: tuple[Any, ...] = (1, 2),
        path: Path = Path("a/b"),
        *,
        scale: float = 1.0,
        seed: int = 0,
    ):
        self.vocab, self.layers, self.parts, self.pair = vocab, layers, parts, pair
        self.path, self.scale, self.seed = path, scale, seed


class Shape(ABC):
    @abstractmethod
    def area(self) -> float: ...


class Disc(Shape):
    def __init__(self, radius: float = 1.0):
        self.radius = radius

    def area(self) -> float:
        return 3 * self.radius**2


@dataclass
class Options:
    mode: str = "on"
    sizes: list[int] = field(default_factory=lambda: [1, 2])


class Drawing:
    def __init__(self, options: Options, shape: Shape, hidden: int = 0):
        self.options, self.shape = options, shape


@pytest.fixture
def net() -> Recipe[Net]:
    layers = [recipe(Layer, width=8), recipe(Layer)]
    return recipe(Net, layers=layers, parts={"a": recipe(Part, weight=1)}, pair=(recipe(Layer), 2))


def test_build_makes_what_is_inside_first(net: Recipe[Net]):
    made = net.build(vocab=7, seed=3)
    assert isinstance(made, Net)
    assert [layer.width for layer in made.layers] == [8, 4]
    assert [layer.vocab for layer in made.layers] == [7, 7]
    assert made.parts and made.parts["a"].weight == 1
    assert isinstance(made.pair, tuple) and isinstance(made.pair[0], Layer)
    assert made.seed == 3
    assert net.build(vocab=7).layers[0] is not made.layers[0]


def test_resolved_has_every_argument(net: Recipe[Net]):
    layer = {"type": "Layer", "width": 4}
    assert net.resolved() == {
        "type": "Net",
        "layers": [{"type": "Layer", "width": 8}, layer],
        "parts": {"a": {"type": "Part", "weight": 1, "name": "part"}},
        "pair": [layer, 2],
        "path": "a/b",
        "scale": 1.0,
    }
    assert recipe(Part).resolved() == {"type": "Part", "name": "part"}
    assert recipe(Options).resolved() == {"type": "Options", "mode": "on", "sizes": [1, 2]}


def test_plain_values_only():
    values = [np.float64(1.5), np.int64(2), np.array([1, 2]), {3, 1}, {1: Path("x")}, None, True]
    got = plain(values)
    assert got == [1.5, 2, [1, 2], [1, 3], {"1": "x"}, None, True]
    assert [type(value) for value in got[:2]] == [float, int]
    assert plain(Disc(2.0)) == {"type": "Disc", "radius": 2.0}
    assert plain(Options()) == {"mode": "on", "sizes": [1, 2]}
    with pytest.raises(TypeError, match="Drawing has no 'hidden', so it cannot be written as YAML"):
        plain(Drawing(Options(), Disc()))


def test_recipe_checks_the_names():
    with pytest.raises(TypeError) as caught:
        recipe(Part, Weihgt=1)
    assert str(caught.value) == (
        "unknown key 'Weihgt'. Did you mean 'weight'? Part takes: weight, name"
    )
    with pytest.raises(TypeError, match=r"^unknown key 'x'\. object takes: nothing$"):
        recipe(object, x=1)
    with pytest.raises(TypeError, match="key 'vocab' is filled in by the engine: leave it out"):
        recipe(Layer, vocab=1)


def test_a_constructor_that_refuses_is_told_with_its_place():
    bad = Recipe(Layer, {"width": 3}, {"": Problem("quick.yaml:8:13: network", "")})
    with pytest.raises(ConfigError) as caught:
        bad.build(vocab=1)
    assert str(caught.value) == "quick.yaml:8:13: network: width 3 is odd"
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(ConfigError, match="quick.yaml:8:13: network: width 3 is odd"):
        Recipe(Net, {"layers": [bad]}, {"": Problem("elsewhere", "")}).build(vocab=1)
    with pytest.raises(
        ConfigError, match=r"^f: .*missing 1 required positional argument: 'weight'$"
    ):
        Recipe(Part, {}, {"": Problem("f", "")}).build()
    with pytest.raises(ValueError, match="is odd"):
        Recipe(Layer, {"width": 3}).build(vocab=1)


def test_recipes_are_data(net: Recipe[Net]):
    again = pickle.loads(pickle.dumps(net))
    assert again == net
    assert Recipe(Layer, {}, {"": Problem("here", "")}) == Recipe(Layer, {})
    assert repr(recipe(Part, weight=2)).endswith("Part'>, args={'weight': 2})")


def test_config_error_tells_all_in_order_once():
    first, second = Problem("f:2:9: a", "x\n y", 2, 9), Problem("f:10:1", "z", 10, 1)
    error = ConfigError(
        [Problem("command line", "w"), second, first, second, Problem("", "\ud800")]
    )
    assert str(error).splitlines() == ["f:2:9: a: x y", "f:10:1: z", "\\ud800", "command line: w"]
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_did_you_mean_ignores_case():
    assert did_you_mean("ewcc", ["Finetune", "EWC"]) == " Did you mean 'EWC'?"
    assert did_you_mean("LoRa", ["lora", "LSTM"]) == " Did you mean 'lora'?"
    assert did_you_mean("zebra", ["EWC"]) == ""


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int, "an integer"),
        (Count, "an integer of 1 or more"),
        (Positive | None, "a number above 0 or null"),
        (None | bool, "true or false or null"),
        (Fraction, "a number of 0 or more and up to 1"),
        (Annotated[int, Interval(gt=1, lt=5)], "an integer above 1 and below 5"),
        (Annotated[Annotated[int, Ge(1)], Le(3)], "an integer of 1 or more and up to 3"),
        (Annotated[list[int], Len(1, 2)], "a list of length 1 or more and of length 2 or less"),
        (Annotated[int | None, Ge(0)], "an integer of 0 or more or null"),
        (Literal["a", "b", 3, True], "one of 'a', 'b', 3, true"),
        (Literal["a"], "'a'"),
        (Sequence[Layer], "a list"),
        (dict[str, int], "a mapping"),
        (Recipe[Shape], "a mapping with a 'type' key"),
        (Shape, "a mapping with a 'type' key"),
        (Options, "a mapping"),
        (Path, "a path"),
        (int | str, "an integer or a string"),
        (np.ndarray, "ndarray"),
        (tuple[int, float], "a list: an integer, a number"),
    ],
)
def test_annotations_in_human_words(hint: Any, words: str):
    assert describe(hint, (Shape,)) == words
