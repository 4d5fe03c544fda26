"""A stranger seals what he likes: an entry that is missing, or of another type, is refused in a line that names it."""

from pathlib import Path
from random import Random

import pytest

from ..calling import Call, Done
from .amount import Tally, amount
from .damage import NO_RECORD
from .forging import forged
from .reading import called, read


@pytest.mark.parametrize("seed", range(amount(3, 200)))
def test_no_forgery_is_a_traceback(seed: int, here: Call, tally: Tally) -> None:
    rng = Random(seed)
    run = rng.choice(["finished", "unfinished"])
    roots = [Path(run), Path("runs/pretrained")]
    every = sorted(p for root in roots for p in root.rglob("*") if p.is_file())
    names = sorted({(p.parent.name if p.suffix == ".parquet" else p.name) for p in every})
    name = rng.choice([name for name in names if name not in NO_RECORD and name[0] != "."])
    file = rng.choice([p for p in every if name in (p.name, p.parent.name)])
    did = f"seed {seed}: {file}: {forged(rng, file)}"
    found = read(here, run) | {"resume": called(here, "resume", run)}
    tally("forged")
    for words, said in found.items():
        code = said.code if isinstance(said, Done) else 2 if isinstance(said, str) else 0
        text = said.out + said.err if isinstance(said, Done) else str(said)
        assert "Traceback" not in text, f"{did}: {words}: {text}"
        assert code in (0, 2) or 101 <= code <= 120, f"{did}: {words}: {code}: {text}"
        tally(f"readings {'taken' if code == 0 else 'refused'}")
