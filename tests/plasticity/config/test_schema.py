"""Schema: from YAML to objects, and every fault told at its place in human words."""

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plasticity.config.recipe import Recipe, recipe
from plasticity.config.schema import parse
from plasticity.config.yaml_source import Located
from plasticity.core.errors import ConfigError

from . import schema_world
from .schema_world import (
    CONTRACTS,
    EWC,
    FILE,
    KNOWN,
    TAKES,
    AdamW,
    Chain,
    Experiment,
    Finetune,
    Markov,
    Mixed,
    Pretrain,
    Recurring,
    Wandb,
    faults,
    load,
)

WORLD = schema_world.__name__
MISSING = "Is its package installed (pip install --editable FOLDER)?"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_good_file_becomes_its_object():
    made = load(FILE)
    mixed = recipe(Mixed, parts=[recipe(Markov)], weights={"a": 1.0, "b": 0.2})
    tunnels = [recipe(Markov, symbols=6), mixed]
    assert made.stream == Recipe(Recurring, {"steps": 600, "tunnels": tunnels})
    parts = [recipe(EWC), recipe(Finetune, lr=1e-3)]
    assert made.strategies == [recipe(EWC, strength=50), recipe(Chain, first=None, parts=parts)]
    assert type(made.strategies[0].args["strength"]) is float
    assert isinstance(made.pretrain, Pretrain) and made.pretrain.cache == Path("runs/cache")
    assert made.wandb == Wandb("disabled")
    assert made.labels == {"a": 1, "b": "x", "c": [1, 2]}
    assert made.optimizer == recipe(AdamW, betas=(0.5, 1.0))
    assert isinstance(made.stream.build(seed=1), Recurring)
    tree = {"stream": made.stream.resolved(), "network": made.network.resolved()}
    again = parse(Experiment, Located(tree), CONTRACTS)
    assert again.stream.resolved() == made.stream.resolved()


def test_recipes_know_their_place():
    made = load(FILE, "--network.heads=7", "--stream={type: Recurring, steps: 1, tunnels: []}")
    with pytest.raises(ConfigError) as caught:
        made.network.build(vocab=2)
    assert str(caught.value) == "f.yaml:10:13: network: width 60 is not divisible by heads 7"
    with pytest.raises(ConfigError) as caught:
        made.stream.build(seed=2)
    assert str(caught.value) == "command line: stream.tunnels: expected at least one"


FAULTS = f"""
strategies.0.lamda=3 > unknown key 'lamda'. EWC takes: strength, decay
strategies.0.Decy=3 > unknown key 'Decy'. Did you mean 'decay'? EWC takes: strength, decay
strategies.0={{type: EWCC}} > .type: unknown strategy 'EWCC'. Did you mean 'EWC'? {KNOWN}
strategies.0.type=finetune > unknown strategy 'finetune'. Did you mean 'Finetune'? {KNOWN}
strategies.0.type=[a] > expected the name of a strategy, got a list. {KNOWN}
strategies.0.type=Strategy > unknown strategy 'Strategy'. {MISSING} {KNOWN}
strategies.0={{a: 1, b: 2}} > expected a mapping with a 'type' key, got the keys a, b. {KNOWN}
strategies.0={{}} > expected a mapping with a 'type' key, got an empty mapping. {KNOWN}
strategies.0=null > expected a mapping with a 'type' key, got null. {KNOWN}
strategies.0=EWC > expected a mapping with a 'type' key, got 'EWC'.
  Did you mean {{type: EWC}}? {KNOWN}
strategies={{type: EWC}} > expected a list, got a mapping. Did you mean a list of it, [{{...}}]?
strategies=EWC > expected a list, got 'EWC'
strategies.1.parts.1.lr=0 > expected a number above 0 or null, got 0
strategies.1.first=EWC > expected a mapping with a 'type' key, got 'EWC'.
  Did you mean {{type: EWC}}? {KNOWN}
strategies.1.first={{type: EW}} > .type: unknown strategy 'EW'. Did you mean 'EWC'? {KNOWN}
strategies.0={{type: Nowhere}} > {WORLD}.Nowhere cannot be made from YAML:
  its constructor: name 'Nothing' is not defined
strategies.0={{type: Tagged}} > {WORLD}.Tagged cannot be made from YAML:
  its argument 'type': this key names the class
stream.steps=five > expected an integer of 1 or more, got 'five'
stream.steps=0 > expected an integer of 1 or more, got 0
stream.steps='5' > expected an integer of 1 or more, got '5'. Did you mean 5, without quotes?
stream.steps=5.0 > expected an integer of 1 or more, got 5.0
stream.steps=true > expected an integer of 1 or more, got true
stream.steps=null > expected an integer of 1 or more, got null
stream.steps=[] > expected an integer of 1 or more, got an empty list
stream.seed=3 > key 'seed' is filled in by the engine: leave it out
stream.hold=episod > expected one of 'episode', 'regime', got 'episod'. Did you mean 'episode'?
stream.tunnels.0.symbol=3 > unknown key 'symbol'. Did you mean 'symbols'?
  Markov takes: symbols, concentration
stream.tunnels.1.weights.b=-1 > expected a number above 0, got -1
stream.tunnels.1.weights=[1] > expected a mapping, got a list
stream.tunnels.1.parts.0.concentration=.inf > expected a number above 0, got inf
stream.tunnels.0.concentration={"9" * 400} > expected an integer of at most {2**63 - 1}, got {"9" * 56} ...
network={{type: MLP}} > .type: unknown network 'MLP'. {MISSING} Known: Transformer
network.type=Stak > unknown network 'Stak'. {MISSING} Known: Transformer
network.vocab=5 > key 'vocab' is filled in by the engine: leave it out
network={{type: Stack, mixers: []}} > {WORLD}.Stack cannot be made from YAML:
  its argument 'mixers': YAML cannot hold Module
optimizer.betas=[1] > expected a list: a number, a number, got a list
name=5 > expected a string, got 5
announce=yes > expected true or false, got 'yes'. Did you mean true?
announce=1 > expected true or false, got 1
level=true > expected one of 1, 2, got true
seeds.1=-1 > expected an integer of 0 or more, got -1
labels.c.1=x > expected an integer, got 'x'
labels.c=1.5 > expected an integer or a string or a list, got 1.5
wandb.mode=of > expected one of 'online', 'offline', 'disabled', got 'of'
wandb=offline > expected a mapping, got 'offline'
wandb={{mode: online}} > an entity is needed online
pretrain.cache=5 > expected a path or null, got 5
pretrain.steps=13 > 13 brings bad luck
pretrian.steps=1 > -: unknown key 'pretrian'. Did you mean 'pretrain'? Experiment takes: {TAKES}
"""


@pytest.mark.parametrize("fault", FAULTS.replace("\n  ", " ").strip().splitlines())
def test_faults_of_a_value(fault: str):
    override, _, told = fault.partition(" > ")
    path = override.partition("=")[0]
    if told.startswith("-"):
        path, told = path.rpartition(".")[0], told.removeprefix("-: ")
    dot = "" if told.startswith(".") else ": "
    assert faults(FILE, f"--{override}") == [f"command line: {path}{dot}{told}"]


def test_all_faults_at_once_each_at_its_place():
    text = """\
name: [quick]
stream:
  type: Recuring
network:
  type: Transformer
  width: wide
  haeds: 3
strategies:
  - {type: EWC, lamda: 3}
name: again
wandb:
  mode: 1e-3
zzz: 1
pretrain: {steps: 13}
"""
    assert faults(text, "--seeds.5=1", "--seeds=[0, x]") == [
        "f.yaml:1:7: name: expected a string, got a list",
        "f.yaml:3:9: stream.type: unknown stream 'Recuring'. Did you mean 'Recurring'? "
        "Known: Recurring",
        "f.yaml:6:10: network.width: expected an integer of 1 or more, got 'wide'",
        "f.yaml:7:3: network.haeds: unknown key 'haeds'. Did you mean 'heads'? "
        "Transformer takes: width, heads",
        "f.yaml:9:17: strategies.0.lamda: unknown key 'lamda'. EWC takes: strength, decay",
        "f.yaml:10:1: name: key 'name' is there already in line 1",
        "f.yaml:12:9: wandb.mode: expected one of 'online', 'offline', 'disabled', got 0.001",
        f"f.yaml:13:1: zzz: unknown key 'zzz'. Experiment takes: {TAKES}",
        "f.yaml:14:19: pretrain.steps: 13 brings bad luck",
        "command line: seeds.1: expected an integer of 0 or more, got 'x'",
    ]
    assert faults("stream:\n  type: Recurring\n  hold: regime\n") == [
        "f.yaml:1:1: missing key 'network': expected a mapping with a 'type' key",
        "f.yaml:2:3: stream: missing key 'steps': expected an integer of 1 or more",
        "f.yaml:2:3: stream: missing key 'tunnels': expected a list",
    ]


def test_namesakes_are_an_error_where_they_are_used():
    class EWC(Finetune): ...

    line = "f.yaml:12:12: strategies.0.type: several classes are named 'EWC': "
    both = f"{WORLD}.EWC and {EWC.__module__}.{EWC.__qualname__}"
    both += "; rename one, or uninstall its package"
    assert faults(FILE)[0] == line + both
    EWC.__name__ = "_gone"
    load(FILE)


def test_a_typical_file_takes_less_than_50_ms():
    times: list[float] = []
    for _ in range(5):
        start = time.process_time()
        load(FILE)
        times.append(time.process_time() - start)
    assert min(times) < 0.05


JUNK = "{ } [ ] : # - & * <<: !!int ' \" --- 1e999 type null \0 \ud83d é | > % ? @ \t".split(" ")
WORDS = st.sampled_from(["type", "EWC", "Chain", "Markov", "parts", "lr", "", "x"])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
VALUES = st.recursive(LEAVES, lambda v: st.lists(v) | st.dictionaries(WORDS, v), max_leaves=6)
PATHS = st.sampled_from(["stream", "stream.tunnels", "strategies.0", "network", "labels", "name"])


def mutated(text: str, rng: random.Random) -> str:
    """The text with some edits: junk put in, pieces removed, pieces doubled."""
    for _ in range(rng.randint(0, 4)):
        i, j = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        i = max(i, j - rng.choice([1, 1, 9, 99]))
        new = rng.choice([rng.choice(JUNK), rng.choice(JUNK) + "\n ", text[i:j] * 2, ""])
        text = text[:i] + new + text[j:]
    return text


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.integers(0, 1 << 30), PATHS, VALUES)
def test_nothing_but_config_error_whatever_the_file(seed: int, path: str, value: Any):
    try:
        load(mutated(FILE, random.Random(seed)), f"--{path}={json.dumps(value)}")
    except ConfigError as error:
        lines = str(error).splitlines()
        assert len(lines) == len(error.problems)
        assert all(line.startswith(("f.yaml", "command line")) for line in lines)
        assert "nput should" not in str(error) and "alue error" not in str(error)
