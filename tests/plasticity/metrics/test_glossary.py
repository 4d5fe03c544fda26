"""Every number of a summary is explained, and nothing is explained that is no number of one."""

import polars as pl
import pytest

from plasticity.metrics.glossary import explain, glossary
from plasticity.metrics.summary import summarise

from .test_summary import cell


def test_every_key_is_explained_and_every_entry_is_used() -> None:
    steps, probes = cell(40, 4, 2, 10)
    condition = pl.DataFrame({"step": [0, 10], "dormant/tau0.025": [0.1, 0.2]})
    used = {explain(key) for key in summarise(steps, probes, condition)}
    used.add(explain("world/gravity"))  # of a world that has something of its own to tell
    used.add(explain("network/outside"))  # of such a network
    assert [entry.id for entry in glossary() if entry not in used] == []


def test_entries_are_whole_and_differ() -> None:
    assert len({entry.id for entry in glossary()}) == len(glossary())
    for entry in glossary():
        assert entry.formula, entry.id
        named = entry.id.rpartition("/")[2]
        assert not named[-4:].isdigit() or entry.source, f"{entry.id} names a source"


def test_what_is_exact_comes_before_a_pattern() -> None:
    assert explain("in_context/last").id == "in_context/last"
    assert explain("effective_rank/roy2007/last").id == "<column>/last"
    assert explain("kl/amnesic").id == "kl/<who>"
    with pytest.raises(KeyError, match="expected an id of the glossary"):
        explain("kl/nobody")
