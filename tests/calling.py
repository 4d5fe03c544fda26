"""A world small enough to run in a moment, and `plasticity WORDS` called as a function, or as a process."""

import multiprocessing
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import pytest

from plasticity import cli

GOOD = """\
name: tiny
stream:
  type: Recurring
  tunnels: [{type: Markov, symbols: 3, concentration: 0.5}]
  regimes: 2
  period: 5
  steps: 10
  batch: 2
  time: 6
  probe: 4
network: {type: Transformer, width: 8, depth: 1, heads: 2}
pretrain: {steps: 0}
strategies: [{type: Frozen}, {type: Finetune}]
stretch: 5
wandb: {mode: disabled}
hardware: {threads: 1}
"""
Words = tuple[str, ...]


class Done(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Done]


def tree() -> dict[str, bytes]:
    """Every file and folder here, with what is in it; but for what Python keeps of an import."""
    paths = (p for p in sorted(Path().rglob("*")) if "__pycache__" not in p.parts)
    return {str(p): p.read_bytes() if p.is_file() else b"" for p in paths}


def refused(call: Call, *words: str) -> str:
    """What is said on stderr of a call that must fail with 2, without a traceback, and leave nothing."""
    before = tree()
    done = call(*words)
    assert done.code == 2, done
    assert "Traceback" not in done.err + done.out
    assert tree() == before
    return done.err


def said(call: Call, *words: str) -> str:
    """What is said on stdout of a call that must succeed, and say nothing on stderr."""
    code, out, err = call(*words)
    assert (code, err) == (0, ""), err
    return out


def over(text: str) -> list[Path]:
    """A file to be put over another."""
    Path("over.yaml").write_text(text)
    return [Path("over.yaml")]


SERVER = multiprocessing.get_context("forkserver")
PRELOADED = ["plasticity.launch.run", "plasticity.engine.trainer", "plasticity.cli.running"]
SERVER.set_forkserver_preload(PRELOADED)


def begun(*words: str | Path) -> BaseProcess:
    """`plasticity WORDS` in a process of its own, to be killed; forked from one that has imported torch for all."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["plasticity", *map(str, words)])  # it begins with this one's
        process = SERVER.Process(target=cli.main)
        process.start()
    return process
