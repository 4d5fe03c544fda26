"""How the tables of bad files are written: each is good.yaml with one thing changed."""

from ....calling import GOOD

Bad = dict[str, tuple[str | bytes, list[str]]]
"""What is wrong -> (the file, how each line that is told begins after `x.yaml:`; ` ... ` stands for any words)."""
NETWORK = "{type: Transformer, width: 8, depth: 1, heads: 2}"
STRATEGIES = "[{type: Frozen}, {type: Finetune}]"
TUNNELS = "[{type: Markov, symbols: 3, concentration: 0.5}]"


def put(old: str, new: str) -> str:
    """good.yaml with this in place of that."""
    assert old in GOOD, old
    return GOOD.replace(old, new)
