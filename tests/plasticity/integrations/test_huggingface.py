"""Causal language models of Hugging Face as networks: the model's own numbers, under the laws of a network."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from torch.func import functional_call

from plasticity import Network, recipe
from plasticity.checks.networks import NETWORK_CHECKS
from plasticity.config.plugins import known
from plasticity.integrations import pretrained_models
from plasticity.integrations.huggingface import HuggingFace

from .tiny_models import KINDS, TOKENS, words, write

INPUTS = torch.randint(6, (3, 9), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {kind: write(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


def made(folder: str, **more: Any) -> HuggingFace:
    return HuggingFace(6, more.pop("symbols", 6), folder, more.pop("tokens", TOKENS), **more)


def whole(folder: str, texts: str, inputs: Tensor, prefix: str = "") -> Tensor:
    """Log-probabilities of the whole vocabulary by the model itself, fed with the texts' tokens."""
    lm = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = torch.tensor(words().convert_tokens_to_ids(list(texts)))[inputs]
    front = torch.tensor(words()(prefix, add_special_tokens=False)["input_ids"], dtype=torch.int64)
    with torch.no_grad():
        logits = lm(torch.cat([front.expand(len(ids), -1), ids], 1)).logits
    return logits[:, len(front) :].log_softmax(-1)


@pytest.mark.parametrize("prefix", ["", "kab a"])
@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_are_the_models_own(kind: str, prefix: str, folders: dict[str, str]) -> None:
    network = made(folders[kind], prefix=prefix)
    truth = whole(folders[kind], "".join(TOKENS), INPUTS, prefix)
    at = words().convert_tokens_to_ids(TOKENS[:6])
    wanted = truth[..., at].log_softmax(-1)
    said = network(INPUTS).detach().log_softmax(-1)
    assert wanted.std() > 0.1
    torch.testing.assert_close(said, wanted, atol=1e-5, rtol=1e-5)
    outside = float(1 - truth[..., at].exp().sum(-1).mean())
    assert 0.3 < outside < 0.97
    assert network.summary(INPUTS)["outside"] == pytest.approx(outside, abs=1e-5)
    torch.testing.assert_close(network(INPUTS).log_softmax(-1), said)  # as it was


def test_answers_may_have_tokens_of_their_own(folders: dict[str, str]) -> None:
    network = made(folders["untied"], symbols=3, answers=["p", "a", "ab"])
    truth = whole(folders["untied"], "".join(TOKENS), INPUTS)
    wanted = truth[..., words().convert_tokens_to_ids(["p", "a", "ab"])].log_softmax(-1)
    torch.testing.assert_close(network(INPUTS).log_softmax(-1), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("check", NETWORK_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_it_passes_the_kit(kind: str, check: Any, folders: dict[str, str]) -> None:
    subject = recipe(HuggingFace, model=folders[kind], tokens=TOKENS)
    if check.__name__ == "check_initialisation_is_seeded":
        with pytest.raises(AssertionError, match="seeds 0 and 1 give the same weights"):
            check(subject)  # they are the publisher's
    else:
        check(subject)


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_layers_are_trained(kind: str, folders: dict[str, str]) -> None:
    network = made(folders[kind], layers=2)
    names = {name for name, p in network.named_parameters() if p.requires_grad}
    blocks = network.blocks()
    assert len(blocks) == 3
    assert {id(p) for p in network.parameters() if p.requires_grad} == {
        id(p) for block in blocks[1:] for p in block.parameters()
    }
    network(INPUTS).sum().backward()
    assert {name for name, p in network.named_parameters() if p.grad is not None} == names


@pytest.mark.parametrize("layers", [None, 2])
@pytest.mark.parametrize("kind", ["llama", "untied", "neox"])
def test_adapters_of_peft_all_get_a_gradient(
    kind: str, layers: int | None, folders: dict[str, str]
) -> None:
    network, plain = made(folders[kind], rank=2, layers=layers), made(folders[kind])
    torch.testing.assert_close(network(INPUTS), plain(INPUTS))  # the identity at first
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    assert trained and all("lora_" in name for name in trained)
    network(INPUTS).square().sum().backward()
    assert all(p.grad is not None for p in trained.values())
    for name, p in trained.items():
        assert p.grad is not None
        assert ("lora_B" in name) == bool((p.grad != 0).any()), name  # A's is 0 while B is
    assert network.blocks()[0].training


def test_peft_has_the_last_word(folders: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="rank: PEFT refuses: .*incompatible with Mamba.* LoRA"):
        made(folders["mamba"], rank=2)


@pytest.mark.parametrize("kind", ["llama", "neox"])
def test_activations_may_be_computed_again(kind: str, folders: dict[str, str]) -> None:
    grads = []
    for checkpointing in (False, True):
        network = made(folders[kind], checkpointing=checkpointing)
        network(INPUTS).square().sum().backward()
        grads.append([p.grad for p in network.parameters()])
        other = {k: v.detach() + 0.1 for k, v in network.named_parameters()}
        leaves = [v.requires_grad_() for v in other.values()]
        logits = functional_call(network, other, (INPUTS,))  # other weights, as experts have
        grads[-1] += torch.autograd.grad(logits.square().sum(), leaves)
    for kept, again in zip(*grads, strict=True):
        torch.testing.assert_close(kept, again)
    network = made(folders[kind], checkpointing=True)
    held = network.blocks()[0]
    with torch.autograd.graph.saved_tensors_hooks(seen := Seen(), lambda x: x):
        held(torch.randn(1, 4, 16, requires_grad=True), **rotary(network))
    assert seen.count < 10  # but for what goes in, nothing is kept


class Seen:
    count = 0

    def __call__(self, tensor: Tensor) -> Tensor:
        self.count += 1
        return tensor


def rotary(network: HuggingFace) -> dict[str, Any]:
    cos = torch.ones(1, 4, 2 if network.lm.config.model_type == "gpt_neox" else 8)
    return {"position_embeddings": (cos, cos), "attention_mask": None}


def test_bfloat16_adapters_are_of_float32(folders: dict[str, str]) -> None:
    from plasticity import add_adapters

    network = made(folders["llama"], dtype="bfloat16")
    adapted = add_adapters(network, 2, None, 0)
    assert network(INPUTS).dtype == torch.float32
    network(INPUTS).sum().backward()
    for weight, adapter in adapted:
        assert weight.dtype == torch.bfloat16
        assert adapter.B.dtype == torch.float32 and adapter.B.grad is not None


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_dict_holds_what_moved(kind: str, folders: dict[str, str]) -> None:
    from plasticity import add_adapters

    network, other = made(folders[kind]), made(folders[kind])
    assert {k for k, v in network.state_dict().items() if v.numel() > 6 * 16} <= {"checksum"}
    for each in (network, other):
        adapters = add_adapters(each, 2, None, 0)
    with torch.no_grad():
        network.get_parameter(next(n for n, _ in network.named_parameters() if "original" in n))[
            0, 0
        ] += 1.0
        for p in network.parameters():
            if p.requires_grad:
                p += 0.1
        for p in other.parameters():
            p += 0.2
    state = network.state_dict()
    big = [k for k in state if k.endswith("original")]
    assert len(big) <= 1 + 2 * (kind != "llama")  # the one that moved, and a table
    other.load_state_dict(state)
    torch.testing.assert_close(other(INPUTS), network(INPUTS), atol=0, rtol=0)
    copied = copy.deepcopy(network)
    assert copied.state_dict().keys() == state.keys()
    assert adapters


def test_a_state_dict_of_another_model_is_refused(folders: dict[str, str], tmp_path: Path) -> None:
    other = write(tmp_path / "other", "llama", initializer_range=0.5)
    state = made(other).state_dict()
    with pytest.raises(RuntimeError, match=r"these weights go with another model than .*llama"):
        made(folders["llama"]).load_state_dict(state)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "two tokens": (
        {"tokens": ["a", "b", "c", "d", "e", "ac"]},
        r"tokens: expected texts of one token each, got 'ac', which is 'a' \+ 'c'. Near it are 'a', 'c', ",
    ),
    "case and space come first": (
        {"tokens": [" ab", "b", "c", "d", "e", "f"]},
        r"got ' ab', which is ' ' \+ 'ab'. Near it are 'ab', ' a'",
    ),
    "what the tokenizer drops": (
        {"tokens": ["a", "b", "c", "d", "e", " Z"]},
        "expected texts of one token each, got ' Z', which is ' '. Near it are ",
    ),
    "the same": (
        {"tokens": ["a", "b", "c", "d", "e", "b"]},
        "tokens: expected different tokens, got 'b' and 'b'",
    ),
    "too few": ({"tokens": ["a", "b"]}, "tokens: expected 6, one for each symbol, got 2"),
    "too few answers": ({"answers": ["a"]}, "answers: expected 6, one for each symbol, got 1"),
    "layers": ({"layers": 4}, "layers: expected up to 3, those of .*, got 4"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_said(case: str, folders: dict[str, str]) -> None:
    arguments, said = REFUSED[case]
    with pytest.raises(ValueError, match=said):
        made(folders["llama"], **arguments)


def test_too_many_positions(folders: dict[str, str]) -> None:
    with pytest.raises(
        ValueError, match=r"prefix: 2 tokens before 511 symbols: expected at most 512"
    ):
        made(folders["llama"], prefix="ac")(torch.zeros(1, 511, dtype=torch.int64))


def test_a_model_that_is_not_there(folders: dict[str, str], tmp_path: Path) -> None:
    folder = Path(folders["llama"])
    with pytest.raises(ValueError, match=rf"there. Did you mean '{folder.name}'"):
        made(str(folder) + "x")
    with pytest.raises(ValueError, match="model: smollm2 comes in the package no_such: do that"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(pretrained_models.PACKAGED, "smollm2", ("no_such", "do that"))
            made("smollm2")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(ValueError, match="cannot be read as a causal language model"):
        made(str(tmp_path))


def test_pickled_weights_and_code_are_refused(folders: dict[str, str], tmp_path: Path) -> None:
    folder = Path(write(tmp_path / "pickled", "llama"))
    (folder / "model.safetensors").unlink()
    torch.save({"lm_head.weight": torch.zeros(1)}, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="cannot be read as a causal language model"):
        made(str(folder))
    coded = Path(write(tmp_path / "coded", "llama"))
    config = json.loads((coded / "config.json").read_text())
    config |= {
        "model_type": "own",
        "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"},
    }
    (coded / "config.json").write_text(json.dumps(config))
    (coded / "own.py").write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w').write('x')\nclass Own: pass\n"
    )
    with pytest.raises(ValueError, match="cannot be read as a causal language model"):
        made(str(coded))
    assert not (tmp_path / "ran").exists()


def test_without_the_extra(folders: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    pretrained_models.loaded.cache_clear()
    with pytest.raises(ValueError, match=r"pip install 'plasticity-testbed\[huggingface\]'"):
        made(folders["llama"])


def test_a_yaml_may_name_it() -> None:
    from plasticity.config import plugins

    plugins.load()
    assert known(Network)["HuggingFace"] == [HuggingFace]
