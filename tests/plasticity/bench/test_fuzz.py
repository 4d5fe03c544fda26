"""Whatever is done to a results file: it is refused in sentences, or all that is checked is what it was."""

import json
from pathlib import Path

import pytest

from plasticity.bench.leaderboard import shown
from plasticity.bench.results import read
from plasticity.bench.submit import lucky, verify
from plasticity.core.errors import ConfigError

from ...chaos.amount import Tally, amount
from .arena import suite
from .mutations import checked, mutated


@pytest.mark.parametrize("seed", range(amount(40, 200)))
def test_a_mutation_is_refused_or_changes_nothing_that_is_checked(
    seed: int, made: Path, tmp_path: Path, tally: Tally
) -> None:
    text, file = (made / "results.json").read_text(), tmp_path / "results.json"
    said, data = mutated(text, seed)
    file.write_bytes(data)
    try:
        results = read(file)
        verify(results, suite(tmp_path), file)
    except ConfigError as error:
        tally("refused")
        lines = str(error).splitlines()
        assert lines and all(line.startswith(str(file)) for line in lines), said
    else:
        tally("identical")
        lucky(results)
        shown(results)
        assert checked(json.loads(data)) == checked(json.loads(text)), said
