"""Damage to a folder, drawn at random: one file of it is not what it was, or not where it was."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

NO_RECORD = {"report.html", ".lock", "error.txt"}
"""Names of files that hold no numbers."""
Damage = Callable[[Random, Path, list[Path]], list[Path]]
"""From (what decides, a file, all files) to what was touched."""


def flip(rng: Random, file: Path, every: list[Path]) -> list[Path]:
    data = bytearray(file.read_bytes())
    bit = rng.randrange(8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    file.write_bytes(data)
    return [file]


def cut(rng: Random, file: Path, every: list[Path]) -> list[Path]:
    data = file.read_bytes()
    file.write_bytes(data[: rng.randrange(len(data))])
    return [file]


def empty(rng: Random, file: Path, every: list[Path]) -> list[Path]:
    file.write_bytes(b"")
    return [file]


def delete(rng: Random, file: Path, every: list[Path]) -> list[Path]:
    file.unlink()
    return [file]


def into_folder(rng: Random, file: Path, every: list[Path]) -> list[Path]:
    file.unlink()
    file.mkdir()
    return [file]


def swap(rng: Random, file: Path, every: list[Path]) -> list[Path]:
    other = _like(rng, file, every)
    mine, its = file.read_bytes(), other.read_bytes()
    file.write_bytes(its)
    other.write_bytes(mine)
    return [file, other]


def copy(rng: Random, file: Path, every: list[Path]) -> list[Path]:
    other = _like(rng, file, every)
    shutil.copy(other, file)
    return [file]


def copy_beside(rng: Random, file: Path, every: list[Path]) -> list[Path]:
    """A file of another cell, or another part, where there was none."""
    other = _like(rng, file, every)
    name = rng.choice([other.name, f"0000{rng.randrange(9)}{other.suffix}"])
    shutil.copy(other, file.parent / name)
    return [file.parent / name, file]


def rename_cell(rng: Random, file: Path, every: list[Path]) -> list[Path]:
    cell = rng.choice([path.parent for path in every if path.name == "cell.json"])
    to = cell.with_name(rng.choice([f"{cell.name}0", cell.name.upper(), f"x-{cell.name}"]))
    cell.rename(to)
    return [cell, to]


def swap_cells(rng: Random, file: Path, every: list[Path]) -> list[Path]:
    one, other = rng.sample([path.parent for path in every if path.name == "cell.json"], 2)
    one.rename("aside")
    other.rename(one)
    Path("aside").rename(other)
    return [one, other]


def delete_cell(rng: Random, file: Path, every: list[Path]) -> list[Path]:
    cell = rng.choice([path.parent for path in every if path.name == "cell.json"])
    shutil.rmtree(cell)
    return [cell]


BITS: list[Damage] = [flip, flip, cut]
FOLDERS: list[Damage] = [
    empty, delete, delete, into_folder, swap, copy, copy_beside, rename_cell, swap_cells, delete_cell,
]  # fmt: skip


def damaged(rng: Random, kinds: list[Damage]) -> tuple[str, list[Path]]:
    """(what was done, the paths that were touched) of one damage to the runs and the cache in this folder."""
    found = sorted(p for p in Path().rglob("*") if p.is_file() and p.stat().st_size)
    every = [p for p in found if p.name not in NO_RECORD and len(p.parts) > 1]
    kind, file = rng.choice(kinds), rng.choice(every)
    touched = kind(rng, file, every)
    return f"{kind.__name__} {' and '.join(map(str, touched))}", touched


def _like(rng: Random, file: Path, every: list[Path]) -> Path:
    """Another file of the same kind where there is one."""
    alike = [p for p in every if p.suffix == file.suffix and p != file]
    named = [p for p in alike if p.name == file.name]
    return rng.choice(named or alike or every)
