"""Table of a cell: numbered parquet parts, each written whole and sealed; old ones are merged into few files."""

import io
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from plasticity.core.errors import reason
from plasticity.results.sealed import BLANK, Damaged, open_sealed, write_sealed
from plasticity.results.shapes import FACTS, expect, expect_columns

if TYPE_CHECKING:
    import polars
    import pyarrow

T = TypeVar("T")
MERGED = 32
"""Files that become one: so many single parts, and so many of those that were merged."""
TRIES = 5
"""How often a reader lists the files anew that a writer merges meanwhile."""


class PartFile(NamedTuple):
    """A file with the rows of parts `first` to `last`, of those that have rows."""

    first: int
    last: int
    path: Path


class Table:
    """A table in numbered parts. Writing part n again replaces it, so that a resumed run repeats nothing.

    `00012.parquet` holds part 12, `00000-00031.parquet` parts 0 to 31. A file says in its metadata how many rows each
    of its parts has and which part it follows, so that a part that is missing is noticed.

    Args:
        folder: where the parts lie.
        place: whose table it is: parts of another are refused.
        end: its last part; None: it may go on.
        columns: name -> int, float or bool, of those that each part must have.
    """

    def __init__(
        self,
        folder: Path,
        place: str = "",
        end: int | None = None,
        columns: Mapping[str, type] | None = None,
    ):
        self.folder, self.place, self.end, self.columns = folder, place, end, columns or {}
        self._held: tuple[Path | None, dict[int, polars.DataFrame]] = (None, {})

    def write(self, part: int, columns: Mapping[str, np.ndarray]) -> None:
        """Write one part; nothing is written where there are no rows."""
        import pyarrow as pa

        table = pa.table(dict(columns))
        if table.num_rows:
            before = [file.last for file in self.files() if file.last < part]
            self._write(PartFile(part, part, Path()), table, [(part, table.num_rows)], before)

    def read(self, columns: list[str] | None = None) -> "polars.DataFrame":
        """Every part written so far, in order; safe while another process writes.

        Args:
            columns: which; None: all.

        Raises:
            Damaged: a part is not as it was written, or one is missing.
        """
        import polars as pl

        def frames() -> list[pl.DataFrame]:
            return [self._frame(*each, columns) for each in self._opened()]

        found = self._steady(frames)
        if found and any(frame.schema != found[0].schema for frame in found):
            raise Damaged(self.folder, "its parts have not the same columns")
        return pl.concat(found, rechunk=True) if found else pl.DataFrame()

    def verified(self) -> list[Path]:
        """Its files, in order, each as it was written.

        Raises:
            Damaged: one is not, or is missing.
        """
        return self._steady(lambda: [file.path for file, *_ in self._opened()])

    def names(self) -> list[str]:
        """Columns of its first part, Damaged where that is not as it was written; none: there is no part."""
        import polars as pl

        opened = self._steady(lambda: [self._open(file) for file in self.files()[:1]])
        return [name for data in opened for name in pl.read_parquet_schema(io.BytesIO(data))]

    def part(self, number: int) -> "polars.DataFrame":
        """The rows of one part; empty where there are none.

        Raises:
            Damaged: it is not as it was written.
        """
        import polars as pl

        def found() -> pl.DataFrame:
            for file in self.files():
                if file.first <= number <= file.last:
                    return self._parts(file).get(number, pl.DataFrame())
            return pl.DataFrame()

        return self._steady(found)

    def parts(self) -> list[tuple[int, int]]:
        """(part, rows) of every part that has rows, in order.

        Raises:
            Damaged: one is not as it was written, or is missing.
        """
        return self._steady(
            lambda: [(part, rows) for *_, facts in self._opened() for part, rows in facts["parts"]]
        )

    def files(self) -> list[PartFile]:
        """In the order of the parts; single parts that were merged since are left out."""
        if not self.folder.is_dir():
            return []
        named = (re.fullmatch(r"(\d+)(?:-(\d+))?\.parquet", p.name) for p in self.folder.iterdir())
        every = [PartFile(int(m[1]), int(m[2] or m[1]), self.folder / m[0]) for m in named if m]
        found: list[PartFile] = []
        for file in sorted(every, key=lambda file: (file.first, -file.last)):
            if not (found and file.last <= found[-1].last):
                found.append(file)
        return found

    def merge(self, upto: int, whole: bool = False) -> None:
        """Make few files of many; killed at any moment, all rows are there once.

        Args:
            upto: parts up to this one are never written again.
            whole: make one file of them, however few they are.
        """
        ready = [file for file in self.files() if file.last <= upto]
        single = [file for file in ready if file.first == file.last]
        if whole:
            self._merge(ready)
        elif len(single) >= MERGED:
            self._merge(single)
        elif len(ready) - len(single) >= MERGED:
            self._merge([file for file in ready if file.first < file.last])

    def clear(self) -> None:
        """Remove every part."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def _merge(self, files: list[PartFile]) -> None:
        if len(files) > 1:
            import pyarrow as pa
            import pyarrow.parquet as pq

            opened = [self._open(file) for file in files]
            facts = [self._facts(*each) for each in zip(files, opened, strict=True)]
            rows = [(part, n) for fact in facts for part, n in fact["parts"]]
            merged = pa.concat_tables([pq.read_table(pa.BufferReader(data)) for data in opened])
            span = PartFile(files[0].first, files[-1].last, Path())
            self._write(span, merged, rows, [facts[0]["after"]])
        kept = {file.path for file in self.files()}
        for path in self.folder.glob("[0-9]*.parquet"):
            if path not in kept:
                path.unlink()
        for path in self.folder.glob(".*.partial"):  # of a merge of other parts that was killed
            path.unlink()

    def _write(
        self,
        span: PartFile,
        table: "pyarrow.Table",
        rows: list[tuple[int, int]],
        before: list[int],
    ) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        floats = {f.name: "BYTE_STREAM_SPLIT" for f in table.schema if pa.types.is_floating(f.type)}
        facts = json.dumps({"after": max(before, default=-1), "parts": rows})
        with pq.ParquetWriter(
            sink,
            table.schema,
            compression="zstd",
            use_dictionary=False,
            column_encoding=floats or None,
        ) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata({"seal": BLANK, "plasticity": facts})
        name = (
            f"{span.first:05d}" if span.first == span.last else f"{span.first:05d}-{span.last:05d}"
        )
        path = self.folder / f"{name}.parquet"
        write_sealed(path, sink.getvalue().to_pybytes(), self._place(span))

    def _opened(self) -> Iterator[tuple[PartFile, bytes, dict[str, Any]]]:
        """Every file, its bytes and its facts, in order, each found to follow the one before."""
        last = -1
        for file in self.files():
            data = self._open(file)
            facts = self._facts(file, data)
            after = facts["after"]
            if after != last:
                missing = f"part {after}" if after > last else f"what follows part {last}"
                raise Damaged(file.path, f"it follows part {after}, and {missing} is missing")
            yield file, data, facts
            last = file.last
        if self.end is not None and last != self.end:
            text = f"its last part is {self.end}, and "
            text += f"what follows part {last} is missing" if last < self.end else f"here is {last}"
            raise Damaged(self.folder, text)

    def _parts(self, file: PartFile) -> "dict[int, polars.DataFrame]":
        """Part -> its rows, of a file; of the last that was asked for they are kept."""
        if self._held[0] != file.path or file.first == file.last:
            data = self._open(file)
            facts, found, first = self._facts(file, data), {}, 0
            frame = self._frame(file, data, facts)
            for part, rows in facts["parts"]:
                found[part] = frame[first : first + rows]
                first += rows
            self._held = file.path, found
        return self._held[1]

    def _open(self, file: PartFile) -> bytes:
        return open_sealed(file.path, self._place(file))

    def _facts(self, file: PartFile, data: bytes) -> dict[str, Any]:
        """How many rows each part of a file has, and which part it follows.

        Raises:
            Damaged: it has a seal that fits, and is no part of this table: somebody else sealed it.
        """
        import polars as pl

        try:
            facts = json.loads(pl.read_parquet_metadata(io.BytesIO(data))["plasticity"])
            schema = pl.read_parquet_schema(io.BytesIO(data))
        except (KeyError, ValueError, RecursionError, *_faults()) as error:
            raise Damaged(file.path, "it is no part of a table") from error
        expect(file.path, facts, FACTS)
        expect_columns(file.path, schema, self.columns)
        return facts

    def _frame(
        self,
        file: PartFile,
        data: bytes,
        facts: Mapping[str, Any],
        columns: list[str] | None = None,
    ) -> "polars.DataFrame":
        """The rows of a file of which `_facts` has nothing to say.

        Raises:
            Damaged: they are fewer or more than those of its parts, or a value is missing.
        """
        import polars as pl

        try:
            frame = pl.read_parquet(io.BytesIO(data), columns=columns)
        except _faults() as error:
            raise Damaged(file.path, f"it is no part of a table: {reason(error)}") from error
        for name in frame.columns:
            if frame[name].null_count():
                raise Damaged(file.path, f"column {name}: expected a value in each row")
        sizes = [rows for _, rows in facts["parts"]]
        if min(sizes, default=0) < 1 or sum(sizes) != len(frame):
            raise Damaged(file.path, f"parts: expected {len(frame)} rows in all, got {sizes}")
        return frame

    def _place(self, span: PartFile) -> str:
        return f"{self.place}/{span.first}-{span.last}"

    def _steady(self, read: Callable[[], T]) -> T:
        """Read once more if files were merged away meanwhile."""
        for _ in range(TRIES - 1):
            try:
                return read()
            except FileNotFoundError:
                pass
        return read()


def _faults() -> tuple[type[BaseException], ...]:
    """What polars raises at bytes that are no parquet, or none that it can read."""
    import polars as pl

    return pl.exceptions.PolarsError, pl.exceptions.PanicException
