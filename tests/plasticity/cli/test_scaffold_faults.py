"""A generated strategy with a typical fault: the kit says what is wrong in words that mend it."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import SkipTest

import pytest

from plasticity import Strategy
from plasticity.checks import STRATEGY_CHECKS
from plasticity.cli.scaffold import create
from plasticity.config.recipe import Recipe

MEAN = '        self.register_buffer("mean", self.theta(learner).detach().clone())\n'
FOLLOW = "        self.mean.lerp_(self.theta(learner), self.rate)\n"
LOOK = """frame = inspect.currentframe()
        while frame and "item" not in frame.f_locals:
            frame = frame.f_back
        graded = frame.f_locals["item"].key.posterior if frame else torch.ones(())
        return graded.float().mean() *"""
AHEAD = """    def predict(self, learner: Learner, batch: Batch) -> torch.Tensor:
        return learner.network(batch.inputs.roll(-1, 1))

"""
BROKEN = {
    "a list for a memory": (
        {
            MEAN: "        self.past = []\n",
            FOLLOW: "        self.past.append(self.theta(learner))\n",
            "learner) - self.mean)": "learner) - sum(self.past[-3:]))",
        },
        {
            "memory_is_bounded": "of which more in past; expected the same: allocate a buffer",
            "resumes_exactly": "self.past changed while it learned, and no checkpoint holds it; ",
        },
    ),
    "no buffer": (
        {MEAN: "        self.mean = self.theta(learner).detach().clone()\n"},
        {"resumes_exactly": "self.mean changed while it learned, and no checkpoint holds it; "},
    ),
    "a late buffer": (
        {
            MEAN: "        pass\n",
            FOLLOW: MEAN,
            "if not self.strength:": "if not self.strength or not hasattr(self, 'mean'):",
        },
        {
            "attach_allocates": "mean is there after learning and not before; expected attach()",
            "resumes_exactly": "its checkpoint cannot be loaded into a new learner: Unexpected key",
        },
    ),
    "a graph": (
        {"    @torch.no_grad()\n": ""},
        {"memory_is_bounded": "mean holds on to all it was computed from (its grad_fn is Lerp"},
    ),
    "everybody's randomness": (
        {FOLLOW: FOLLOW.replace("lerp_(", "lerp_(torch.rand(()) + ")},
        {
            "leaves_global_randomness_alone": "self.rng(learner), a torch.Generator",
            "reproducible": "take randomness from self.rng(learner), a torch.Generator",
        },
    ),
    "the answer key": (
        {"import torch\n": "import inspect\n\nimport torch\n", "return self.strength / 2 *": LOOK},
        {"never_reads_the_answer_key": "a strategy reads its Batch and its Learner only"},
    ),
    "what comes later": (
        {"    def theta(": AHEAD + "    def theta("},
        {"prediction_is_causal": "expected row t to depend on inputs[:, :t+1] and targets[:, :t]"},
    ),
    "not off": (
        {"if not self.strength:": "if False:", "return self.strength / 2": "return 1"},
        {"off_switch": "expected every hook to do nothing then"},
    ),
    "another argument off": (
        {'off = {"strength": 0.0}': 'off = {"strenght": 0.0}'},
        {"off_switch": "unknown key 'strenght'. Did you mean 'strength'?"},
    ),
    "a hook of another name": (
        {"def penalty(": "def exta("},
        {"off_switch": "is the name of a hook misspelt?"},
    ),
}


def broken(edits: dict[str, str], folder: Path) -> type[Strategy]:
    """The generated strategy, edited."""
    file = create("strategy", "SlowWeights", folder, []) / "slow_weights" / "__init__.py"
    text = file.read_text()
    for old, new in edits.items():
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    spec = importlib.util.spec_from_file_location("slow_weights_broken", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["slow_weights_broken"] = module
    spec.loader.exec_module(module)
    return module.SlowWeights


@pytest.fixture
def forgotten() -> Iterator[None]:
    """No other test finds what is imported here."""
    yield
    del sys.modules["slow_weights_broken"]


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize(("edits", "told"), BROKEN.values(), ids=BROKEN)
def test_a_typical_fault_is_told_in_words_that_mend_it(
    edits: dict[str, str], told: dict[str, str], tmp_path: Path
) -> None:
    subject = Recipe(broken(edits, tmp_path / "new"), {"strength": 5.0})
    checks = {check.__name__.removeprefix("check_"): check for check in STRATEGY_CHECKS}
    for name, words in told.items():
        with pytest.raises((AssertionError, SkipTest)) as found:
            checks[name](subject)
        assert words in str(found.value)
