"""Every strategy on a language model of Hugging Face: it runs and moves what it may, or it says why not."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import strategies
from plasticity import Recipe, Strategy, add_adapters, discover, recipe
from plasticity.core.learner import Spec
from plasticity.core.optimizer import AdamW
from plasticity.engine import archive
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.prequential import Prequential
from plasticity.integrations.huggingface import HuggingFace
from strategies import EWC, EvidenceMixture, Finetune, Kalman, KalmanMixture, LoRA, OLoRA, Replay

from ..plasticity.integrations.tiny_models import KINDS, TOKENS, write
from ..sizes import subjects
from .tiny import batch, unscored

STRATEGIES = subjects(discover(strategies.__name__), Strategy)
HEADS = [recipe(Kalman), recipe(EvidenceMixture, expert="readout"), recipe(KalmanMixture)]
"""They need a head of its own."""
REFUSING = {
    "ContinualBackprop": "expected hidden units",
    "ReDo": "expected hidden units",
    "Kalman": "whose weights are parameters that nothing else uses",
    "InPlaceTTT": "no layer with `declare_units`",
    "readout": "whose weights are parameters that nothing else uses",
}
"""A word of the call -> why a model with a tied head is refused."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {kind: write(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


def begun(strategy: Strategy, folder: str, **more: Any) -> OnlineLearner:
    torch.manual_seed(0)
    network = HuggingFace(3, 3, folder, TOKENS, **more)
    made = OnlineLearner(network, strategy, AdamW(1e-2), Spec(3, 3, 4, 5))
    made.attach()
    made.make_optimizer()
    return made


def went(made: OnlineLearner, steps: range) -> list[Tensor]:
    """Logits of each step; two shifts."""
    loop, everywhere = Prequential(made), torch.ones(5, dtype=torch.bool)
    return [
        loop.prequential_step(unscored(i, batch(i, asked=everywhere), shift=i in (3, 5)))[0]
        for i in steps
    ]


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {
        name.replace("parametrizations.", "").removesuffix(".original"): p.detach().clone()
        for name, p in network.named_parameters()
    }


def call_of(subject: Recipe[Strategy]) -> str:
    arguments = ", ".join(f"{name}={value!r}" for name, value in subject.args.items())
    return f"{subject.cls.__name__}({arguments})"


@pytest.mark.parametrize(
    ("kind", "subject"),
    [*(("llama", each) for each in STRATEGIES), *(("untied", each) for each in HEADS)],
    ids=lambda it: it if isinstance(it, str) else call_of(it),
)
def test_it_runs_or_says_why_not(
    kind: str, subject: Recipe[Strategy], folders: dict[str, str]
) -> None:
    why = [said for word, said in REFUSING.items() if word in call_of(subject)]
    if kind == "llama" and why:
        with pytest.raises(ValueError, match=why[0]):
            begun(subject.build(), folders[kind], layers=2)
        return
    made = begun(subject.build(), folders[kind], layers=2)
    network = made.network
    assert isinstance(network, HuggingFace)
    before = weights(network)
    said = went(made, range(7))
    assert all(each.isfinite().all() for each in said)
    after = weights(network)
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    adapters = {name for name in before if name.rpartition(".")[2] in "AB"}
    blocks = tuple(f"lm.model.layers.{i}." for i in (1, 2))
    head = {"lm.lm_head.weight"} if subject.cls.__name__ == "Kalman" else set[str]()
    assert all(name.startswith(blocks) for name in adapters)
    assert all(name.startswith(blocks) for name in moved - head), moved
    frozen = subject.cls.__name__ in (
        "Frozen",
        "EvidenceMixture",
        "KalmanMixture",
        "MemoryInContext",
    )
    assert bool(moved) is not frozen


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_tied_is_not_adapted(kind: str, folders: dict[str, str]) -> None:
    network = HuggingFace(3, 3, folders[kind], TOKENS)
    tied = Counter(id(p) for _, p in network.named_parameters(remove_duplicate=False))
    shared = [p for p in network.parameters() if tied[id(p)] > 1]
    assert bool(shared) == (kind in ("llama", "mamba"))
    head = network.lm.get_output_embeddings()
    adapted = add_adapters(network, 2, None, 0)
    assert hasattr(head, "parametrizations") is not bool(shared)
    assert not {id(each.weight) for each in adapted} & {id(p) for p in shared}
    inputs = torch.tensor([[0, 1, 2, 1]])
    network(inputs).square().sum().backward()
    for _, adapter in adapted:
        assert adapter.B.grad is not None and bool((adapter.B.grad != 0).any())


def test_there_must_be_something_to_adapt(folders: dict[str, str]) -> None:
    network = HuggingFace(3, 3, folders["llama"], TOKENS).requires_grad_(False)
    with pytest.raises(ValueError, match="expected a matrix that HuggingFace trains"):
        add_adapters(network, 2, None, 0)


@pytest.mark.parametrize("strategy", [Finetune, EWC, Replay])
def test_adapters_of_peft_are_trained(strategy: type[Strategy], folders: dict[str, str]) -> None:
    made = begun(strategy(), folders["llama"], layers=2, rank=2)
    trained = [name for name, p in made.network.named_parameters() if p.requires_grad]
    assert len(trained) == 2 * 2 * 7  # A and B of seven maps in two blocks
    before = weights(made.network)
    went(made, range(7))
    after = weights(made.network)
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert moved == set(trained)


def test_ours_and_pefts_take_the_same_steps(folders: dict[str, str]) -> None:
    """From the same A and B, W + 2 B A is W + (alpha / rank) B A."""
    peft = begun(Finetune(), folders["llama"], layers=2, rank=2)
    ours = begun(LoRA(rank=2), folders["llama"], layers=2)
    theirs = dict(peft.network.named_parameters())
    for name, p in ours.network.named_parameters():
        if p.requires_grad:
            stem, letter = name.split(".parametrizations.weight.0.")
            theirs[f"{stem}.lora_{letter}.default.weight"].data.copy_(p)
    for one, other in zip(went(peft, range(6)), went(ours, range(6)), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    start = begun(Finetune(), folders["llama"]).network
    inputs = batch(9).inputs
    assert bool(((ours.network(inputs) - start(inputs)).abs() > 0.1).any())


CUT = [
    recipe(LoRA, rank=2),
    recipe(OLoRA, rank=2),  # merges into weights that no gradient moves
    recipe(Finetune),
    recipe(EvidenceMixture, expert="lora", rank=1, experts=2),
]


@pytest.mark.parametrize("subject", CUT, ids=call_of)
def test_a_checkpoint_holds_what_moved_and_is_enough(
    subject: Recipe[Strategy], folders: dict[str, str], tmp_path: Path
) -> None:
    whole = begun(subject.build(), folders["untied"], layers=1)
    went(whole, range(6))
    archive.save(tmp_path / "cut", whole.state_dict(), "here")
    again = begun(subject.build(), folders["untied"], layers=1)
    again.load_state_dict(archive.load(tmp_path / "cut", "here"))
    inputs = batch(9)
    one, other = (made.strategy.predict(made, inputs) for made in (whole, again))
    torch.testing.assert_close(one, other, atol=0, rtol=0)
    saved = {k for k in whole.state_dict() if k.startswith("network.lm.model.")}
    frozen = [k for k in saved if ".layers.2." not in k and "embed" not in k]
    assert not frozen
    merged = {k for k in saved if k.endswith("original")}
    assert bool(merged) == (subject.cls is OLoRA)
