"""explain: every class in words, with a snippet that is accepted as it stands."""

from pathlib import Path

import pytest
import yaml

from plasticity.cli.common import contracts, located
from plasticity.cli.explain import explain
from plasticity.config.recipe import parameters
from plasticity.diagnostics import geometry
from plasticity.integrations.huggingface import HuggingFace
from plasticity.launch.validate import build_all
from plasticity.metrics.glossary import glossary

from ...calling import GOOD, Call, over, refused, said
from ..integrations.tiny_models import TOKENS, write
from .ours import PARTS

pytestmark = pytest.mark.usefixtures("nobody_elses")


@pytest.mark.parametrize(("kind", "cls"), PARTS, ids=lambda each: getattr(each, "__name__", each))
def test_a_class_is_explained_and_its_snippet_is_fine(kind: str, cls: type, call: Call) -> None:
    """Every argument has its line and its sentence, and the snippet is accepted over a good file."""
    found = explain(cls, "" if kind == "experiment" else kind, contracts())
    assert [each.name for each in found.arguments] == list(parameters(cls))
    assert all(each.told and each.takes for each in found.arguments)
    assert found.text and "Args:" not in found.text
    snippet = found.snippet or GOOD
    if (
        cls is HuggingFace
    ):  # marked as to be filled in: a model, and texts that are one token of its own each
        write(Path("model"), "llama")
        snippet = snippet.replace("tokens: [tokens]", f"tokens: {TOKENS}")
    made, _ = located(Path("good.yaml"), [], over(snippet))
    named = yaml.safe_load(snippet)
    assert cls.__name__ in str(named) or kind.split(".")[0] in named or kind == "experiment"
    if kind in ("network", "strategy", "optimizer", "detector"):
        build_all(made)  # nothing had to be made up


def test_explain_in_words(call: Call) -> None:
    every = said(call, "explain")
    assert "strategy: AGEM, " in every and "metric" in every
    text = said(call, "explain", "strategy", "EWC")
    for piece in (
        "arXiv 1612.00796",
        "strength: a number of 0 or more; by default 100.0",
        "{type: EWC",
    ):
        assert piece in text
    assert "Args:" not in text
    assert text == said(call, "explain", "EWC")
    text = said(call, "explain", "stream", "Recurring")
    assert (
        "tunnels: a list of: a mapping with a 'type' key, see: plasticity explain tunnel; must"
        in text
    )
    assert "\nEWC: Elastic weight consolidation: weights" in said(call, "explain", "strategy")
    assert said(call, "explain", "experiment").startswith("Experiment\n")
    assert "accelerator: one of 'auto', 'cpu', 'gpu'; by default cpu" in said(
        call, "explain", "hardware"
    )
    text = said(call, "explain", "metric", "skill")
    assert text.startswith("skill [no unit]: (KL(amnesic) - ") and "Murphy 1988" in text
    assert said(call, "explain", "metric", "kl/model").startswith("kl/<who> [bits]: ")
    assert len(said(call, "explain", "metric").splitlines()) == len(glossary()) + len(
        geometry.glossary()
    )


@pytest.mark.parametrize(
    ("words", "told"),
    {
        "strateg": "unknown kind 'strateg'. Did you mean 'strategy'? Known: experiment, tunnel, ",
        "EWCC": "unknown kind 'EWCC'. Did you mean 'EWC'? Known: ",
        "strategy EWCC": "unknown strategy 'EWCC'. Did you mean 'EWC'? Known: AGEM, ",
        "stream Recuring": "unknown stream 'Recuring'. Did you mean 'Recurring'? Known: ",
        "metric skil": "unknown metric 'skil'. Did you mean 'skill'? All: plasticity explain metric",
        "hardware gpu": "unknown hardware 'gpu'. Known: TrainerConfig",
    }.items(),
)
def test_explain_knows_the_nearest_name(words: str, told: str, call: Call) -> None:
    assert refused(call, "explain", *words.split()).startswith(f"command line: {told}")


def test_a_number_is_explained_by_its_name_alone(call: Call) -> None:
    assert said(call, "explain", "skill") == said(call, "explain", "metric", "skill")
    assert "Kullback" in said(call, "explain", "kl/model")


def test_one_kind_is_listed(call: Call) -> None:
    lines = said(call, "list", "detector").splitlines()
    assert {line.split()[0] for line in lines[1:] if not line.startswith("  ")} == {"detector"}
    assert "Did you mean 'detector'?" in refused(call, "list", "detectors")
