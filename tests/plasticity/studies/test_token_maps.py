"""Token maps: the best one is that which the model was made to know; what cannot be searched is refused."""

from pathlib import Path

import pytest
import torch

from plasticity import recipe
from plasticity.integrations import single_tokens
from plasticity.integrations.huggingface import HuggingFace
from plasticity.launch.experiment import Experiment
from plasticity.networks import MLP
from plasticity.studies import token_maps
from strategies import Frozen
from streams import Markov, Recurring

from ...calling import Call, refused
from ..integrations.tiny_models import write

YAML = """
stream:
  type: Recurring
  tunnels: [{{type: Markov, symbols: 3}}]
  steps: 4
  batch: 2
  time: 8
network: {{type: HuggingFace, model: {model}, tokens: [p, o, n]}}
strategy: {{type: Frozen}}
"""


@pytest.fixture(scope="module")
def sure(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that is nearly uniform over a, b, c, and certain of p among all."""
    folder = write(tmp_path_factory.mktemp("sure"), "untied", initializer_range=0.02)
    network = HuggingFace(3, 3, folder, ["a", "b", "c"])
    lm = network.source().lm
    with torch.no_grad():
        lm.model.norm.weight.zero_()  # only what follows decides
        lm.lm_head = torch.nn.Linear(16, lm.config.vocab_size)
        lm.lm_head.weight.zero_()
        lm.lm_head.bias.zero_()
        p = network.source().tokenizer.convert_tokens_to_ids("p")
        lm.lm_head.bias[p] = 6.0
    return folder


def test_the_best_map_comes_first(sure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_maps, "ALPHABETS", {"one": ["a", "ab", "c", "ad"], "few": ["a"]})
    stream = recipe(Recurring, tunnels=[recipe(Markov, symbols=3)], steps=4, batch=2, time=8)
    network = recipe(HuggingFace, model=sure, tokens=["p", "o", "n"])
    experiment = Experiment(stream, network, strategy=recipe(Frozen))
    own, one = token_maps.search(experiment, 64)
    assert (own.name, [*own.tokens]) == ("of the file", ["p", "o", "n"])
    assert (one.name, [*one.tokens]) == ("one", ["a", "ab", "c"])  # 'ad' is two tokens
    vocab = len(single_tokens.vocabulary(HuggingFace(3, 3, sure, "abc").source().tokenizer)) + 2
    e = torch.e**6
    assert one.outside == pytest.approx(1 - 3 / (e + vocab - 1), abs=1e-4)
    assert own.outside == pytest.approx(1 - (e + 2) / (e + vocab - 1), abs=1e-4)
    # Under a uniform guess KL is log2(3) less the entropy of the truth; amnesic Bayes is nearer.
    assert one.amnesic < one.kl < own.kl
    assert one.error < 0.2 and own.kl - one.kl > 2 * own.error
    table = token_maps.shown([own, one])
    names = list(table.columns[0].cells)
    assert names == ["one", "of the file"]


def test_the_command(call: Call, tmp_path: Path) -> None:
    model = write(tmp_path / "tiny", "llama")
    Path("lm.yaml").write_text(YAML.format(model=model))
    done = call("tokens", "lm.yaml", "--episodes=4")
    assert done.code == 0 and '["p", "o", "n"]' in done.out and "letters" in done.out
    said = refused(call, "tokens", "good.yaml")
    assert "network: expected HuggingFace, whose tokens are searched, got" in said


def test_a_yaml_with_a_wrong_token_is_refused_at_its_place(call: Call, tmp_path: Path) -> None:
    model = write(tmp_path / "tiny", "llama")
    Path("lm.yaml").write_text(YAML.format(model=model).replace("[p, o, n]", "[p, o, ac]"))
    said = refused(call, "validate", "lm.yaml")
    assert said.startswith("lm.yaml:8:") and "network.tokens: expected texts of one token" in said
    assert "got 'ac', which is 'a' + 'c'" in said


def test_a_run_reports_what_is_outside(call: Call, tmp_path: Path) -> None:
    model = write(tmp_path / "tiny", "llama")
    text = YAML.format(model=model).replace("{{", "{")
    Path("lm.yaml").write_text(text + "pretrain: {steps: 0}\nwandb: {mode: disabled}\n")
    done = call("run", "lm.yaml", "--run-dir=here")
    assert done.code == 0, done.err
    from plasticity.results.load import load

    found = load("here").summary
    assert 0 < found["network/outside"][0] < 1


def test_only_language_models_have_tokens() -> None:
    stream = recipe(Recurring, tunnels=[recipe(Markov, symbols=3)], steps=4, batch=2, time=8)
    experiment = Experiment(stream, recipe(MLP), strategy=recipe(Frozen))
    with pytest.raises(ValueError, match="got MLP"):
        list(token_maps.search(experiment, 2))
