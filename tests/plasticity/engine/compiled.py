"""Walks with and without torch.compile: as a script, prints {network: [difference of KL in bits, options]}.

With the compiler's front end and autograd, but without its C++, which takes a minute.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import nn

from plasticity import Network, discover, networks, recipe
from plasticity.checks.world import STEPS, loop, world
from plasticity.engine.config import TrainerConfig
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.trainer import fit
from plasticity.results.store import Cell
from strategies import Finetune


def walked(
    folder: Path, config: TrainerConfig, network: type[Network] = networks.MLP
) -> pl.DataFrame:
    """What a learner scored at each step of the little world."""
    cell = Cell(folder)
    made = loop(recipe(Finetune), recipe(network, width=8, depth=1))
    fit(cell, made, StreamDataModule(world(), STEPS // 3), config)
    return cell.steps.read()


def main() -> None:
    """Every network."""
    asked: list[dict[str, Any]] = []

    def front(self: nn.Module, **options: Any) -> None:
        asked.append(options)
        self._compiled_call_impl = torch.compile(
            self._call_impl, backend="aot_eager", fullgraph=True, dynamic=options["dynamic"]
        )

    nn.Module.compile = front
    found: dict[str, tuple[float, list[dict[str, Any]]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, network in discover(networks.__name__).items():
            torch._dynamo.reset()  # it counts how often one piece of code is compiled
            one = walked(Path(folder) / name, TrainerConfig(threads=1), network)
            asked.clear()
            config = TrainerConfig(threads=1, compile="default")
            other = walked(Path(folder) / f"{name}-compiled", config, network)
            column = "kl/model"
            found[name] = float((one[column] - other[column]).abs().max()), [*asked]  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType] numbers
    print(json.dumps(found))


if __name__ == "__main__":
    main()
