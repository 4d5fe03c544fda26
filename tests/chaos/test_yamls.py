"""Whatever a YAML says, `validate` takes it or refuses it line by line, and nothing is written."""

import re
from pathlib import Path

import pytest

from ..calling import GOOD, Call, tree
from .amount import Tally, amount
from .reading import called
from .yaml_mutations import mutated

PLACE = re.compile(r"(warning: )?x\.yaml(:\d+:\d+)?: ")
"""A line of a refusal begins so; a warning does too."""


@pytest.mark.parametrize("seed", range(amount(40, 1000)))
def test_a_mutation_is_refused_in_its_place_or_taken(seed: int, call: Call, tally: Tally) -> None:
    did, data = mutated(GOOD, seed)
    Path("x.yaml").write_bytes(data)
    before = tree()
    done = called(call, "validate", "x.yaml")
    tally({0: "taken", 2: "refused"}.get(done.code, "mismatched"))
    assert done.code in (0, 2) and "Traceback" not in done.err + done.out, f"{did}: {done}"
    lines = done.err.splitlines()
    assert bool(lines) or not done.code, did
    assert all(PLACE.match(line) and line.isprintable() for line in lines), f"{did}: {lines}"
    assert tree() == before, did
