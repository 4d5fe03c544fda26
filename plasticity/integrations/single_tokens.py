"""Single tokens: texts that a tokenizer takes for one token each."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any


def single_tokens(key: str, texts: Sequence[str], needed: int, tokenizer: Any) -> list[int]:
    """The token of each text.

    Args:
        key: the argument that they came by, for messages.
        texts: one for each symbol, and perhaps some that are not used.
        needed: how many symbols there are.
        tokenizer: of transformers.

    Raises:
        ValueError: there are too few; one is not a single token, or is the same as another.
    """
    if len(texts) < needed:
        raise ValueError(f"{key}: expected {needed}, one for each symbol, got {len(texts)}")
    found: dict[int, str] = {}
    for text in texts:
        ids = encoded(text, tokenizer)
        if not is_single(text, tokenizer):
            parts = " + ".join(repr(tokenizer.decode([each])) for each in ids) or "nothing"
            near = nearest_singles(text, tokenizer)
            raise ValueError(
                f"{key}: expected texts of one token each, got {text!r}, which is {parts}. "
                f"Near it are {', '.join(map(repr, near))}"
            )
        if ids[0] in found:
            raise ValueError(
                f"{key}: expected different tokens, got {found[ids[0]]!r} and {text!r}, which are the same one"
            )
        found[ids[0]] = text
    return list(found)


def encoded(text: str, tokenizer: Any) -> list[int]:
    """The tokens of a text alone, with nothing in front of it."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []


def is_single(text: str, tokenizer: Any) -> bool:
    """Whether a text is one token, which is read as that text, space before it aside."""
    ids = encoded(text, tokenizer)
    return len(ids) == 1 and tokenizer.decode(ids).strip() == text.strip()


def nearest_singles(text: str, tokenizer: Any, number: int = 3) -> list[str]:
    """Texts of one token that are spelt most alike; those that differ by space and case alone come first."""

    def distance(other: str) -> tuple[bool, float]:
        alike = other.strip().lower() == text.strip().lower()
        return not alike, -SequenceMatcher(None, text, other).ratio()

    return sorted(vocabulary(tokenizer), key=distance)[:number]


@lru_cache(maxsize=1)
def vocabulary(tokenizer: Any) -> list[str]:
    """Every text that is one token and comes back as it was."""
    special = set(tokenizer.all_special_ids)
    texts = {i: tokenizer.decode([i]) for i in range(len(tokenizer)) if i not in special}
    return [text for i, text in texts.items() if text and encoded(text, tokenizer) == [i]]
