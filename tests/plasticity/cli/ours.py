"""What is ours of all that a YAML can name."""

from plasticity.cli.common import contracts
from plasticity.cli.explain import shelves


def own(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in ("plasticity", "streams", "strategies")


PARTS = [
    (kind, cls)
    for kind, found in shelves(contracts()).items()
    for cls in sum(found.values(), [])
    if own(cls)
]
"""Everything of ours that has arguments, and its kind."""
