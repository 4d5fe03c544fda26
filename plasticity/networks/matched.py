"""Matched: networks of one size, so that a comparison is of architectures."""

from itertools import count
from typing import Any

import torch

from plasticity.core.network import Network

TOLERANCE = 0.03
"""How far a matched network's number of parameters may be from what was asked, relatively."""


def parameters(network: Network) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in network.parameters())


def matched(kind: type[Network], params: int, vocab: int, symbols: int, **args: Any) -> int:
    """The `width` at which a network has `params` parameters, within 3 %.

    Widths that the network refuses are passed over; nothing is allocated while searching.

    Args:
        kind: a network with an argument `width`, whose size grows with it.
        params: parameters wanted.
        vocab: size of the input alphabet.
        symbols: size of the target alphabet.
        args: its other arguments.

    Raises:
        ValueError: no width comes within 3 %; the message names the nearest.

    >>> from plasticity.networks import LSTM, MLP, Mamba
    >>> [matched(kind, 100_000, vocab=6, symbols=6) for kind in (LSTM, Mamba, MLP)]
    [78, 86, 78]
    """
    best, found = 0, 0
    for width in count(1):
        try:
            with torch.device("meta"):
                size = parameters(kind(vocab, symbols, **(args | {"width": width})))
        except ValueError:
            continue
        if not found or abs(size - params) < abs(found - params):
            best, found = width, size
        if size > params:
            break
    if abs(found - params) > TOLERANCE * params:
        raise ValueError(
            f"params: no width of {kind.__name__} gives {params} parameters within "
            f"{TOLERANCE:.0%}; the nearest is {found}, at width {best}"
        )
    return best
