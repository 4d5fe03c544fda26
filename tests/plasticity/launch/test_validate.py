"""What cannot run is refused by `validate`: at its line, in a sentence, with exit code 2."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from plasticity import Spec, recipe
from plasticity.core.errors import ConfigError
from plasticity.core.network import Network
from plasticity.engine.config import TrainerConfig
from plasticity.launch.experiment import Experiment
from plasticity.launch.validate import build_all, passed
from plasticity.metrics.summary import summarise
from plasticity.networks import MLP, Transformer
from strategies import EvidenceMixture, Finetune
from streams import Markov, Recurring

from ...calling import Call, refused
from ..results.runs import made


@pytest.mark.parametrize(
    "key", ["seed", "stream.regimes", "stream.batch", "stretch", "pretrain.steps"]
)
def test_an_integer_that_no_table_holds(call: Call, key: str) -> None:
    said = refused(call, "validate", "good.yaml", f"--{key}={2**64}")
    assert f"{key}: expected an integer of at most 9223372036854775807, got {2**64}" in said


def test_seeds_are_found_in_their_line(call: Call) -> None:
    text = Path("good.yaml").read_text()
    Path("seeds.yaml").write_text(f"{text}seeds: [1, -1, {2**63}]\n")
    said = refused(call, "validate", "seeds.yaml")
    line = len(text.splitlines()) + 1
    assert f"seeds.yaml:{line}:12: seeds.1: expected an integer of 0 or more, got -1" in said
    assert f"seeds.yaml:{line}:16: seeds.2: expected an integer of at most" in said


def test_a_batch_that_no_memory_holds(call: Call) -> None:
    said = refused(call, "validate", "good.yaml", f"--stream.batch={2**62}")
    assert said.startswith("good.yaml:3:")


def test_a_value_that_is_not_there(call: Call) -> None:
    said = refused(call, "validate", "good.yaml", "--seed=")
    assert "seed: expected a value, got nothing" in said and "null is written --seed=null" in said
    assert call("validate", "good.yaml", "--pretrain.seed=null").code == 0


@pytest.mark.parametrize("command", ["validate", "sweep", "run"])
def test_a_sweep_of_wandb(call: Call, command: str) -> None:
    Path("wandb.yaml").write_text("method: bayes\nparameters: {optimizer.lr: {min: 0, max: 1}}\n")
    assert "start it with `wandb sweep wandb.yaml`" in refused(call, command, "wandb.yaml")


class NoBrain(MLP):
    """Its kernel knows no bf16, as the LSTM's on many CPUs."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("not implemented for 'BFloat16'")
        return super().forward(inputs)


class Hollow(MLP):
    """Goes forward alone."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        logits = super().forward(inputs)
        logits.register_hook(self.fail)
        return logits

    def fail(self, gradient: torch.Tensor) -> None:
        raise NotImplementedError("no derivative")


def experiment(network: type[Network], **hardware: Any) -> Experiment:
    stream = recipe(
        Recurring, tunnels=[recipe(Markov, symbols=3)], period=5, steps=10, batch=2, time=6
    )
    return Experiment(
        stream=stream,
        network=recipe(network, width=8),
        strategy=recipe(Finetune),
        hardware=TrainerConfig(**hardware),
    )


def test_a_pass_under_the_experiments_precision() -> None:
    build_all(experiment(NoBrain))
    with pytest.raises(ConfigError, match="bf16-mixed fails: not implemented for 'BFloat16'"):
        build_all(experiment(NoBrain, precision="bf16-mixed"))
    with pytest.raises(ConfigError, match="fails: no derivative"):
        build_all(experiment(Hollow))


def test_the_pass_moves_neither_network_nor_dice() -> None:
    one = experiment(MLP)
    assert one.network is not None
    spec = Spec.of(one.stream.build(seed=0))
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    network = passed(one.network, spec, one)
    assert torch.equal(torch.rand(1), expected)
    assert all(p.grad is None for p in network.parameters())


@pytest.mark.parametrize("who", ["amnesic", "continual", "uniform"])
@pytest.mark.parametrize("bits", [np.inf, np.nan])
@pytest.mark.filterwarnings("error")
def test_a_report_where_an_observer_gave_probability_0(call: Call, who: str, bits: float) -> None:
    run = made(Path("run"), {"Frozen": [0.0, 0.1], "EWC": [0.5, 0.6]}, unfinished="EWC")
    for cell in run.cells():
        for table in (cell.steps, cell.probes):
            columns = {
                name: each.to_numpy().copy() for name, each in table.read().to_dict().items()
            }
            columns[f"kl/{who}"][3:5] = bits
            table.write(0, columns)
        if cell.done:
            cell.end(summarise(cell.steps.read(), cell.probes.read()))
    done = call("report", "run")
    assert done.code == 0 and "Traceback" not in done.err, done


def test_what_needs_more_memory_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight experts of four copies each; adapters take a hundredth."""
    stream = recipe(Recurring, tunnels=[recipe(Markov, symbols=3)], steps=4, batch=2, time=8)
    network = recipe(Transformer, width=64)
    monkeypatch.setattr("plasticity.launch.validate.memory", lambda hardware: 2**21)
    copies, adapters = recipe(EvidenceMixture), recipe(EvidenceMixture, expert="lora", rank=1)
    size = sum(p.nbytes for p in network.build(vocab=3, symbols=3).parameters())
    with pytest.raises(ConfigError, match=r"EvidenceMixture needs \S+ GiB .*expected") as refused:
        build_all(Experiment(stream, network, strategies=[copies, adapters]))
    assert len(refused.value.problems) == 1 and 8 * 4 * size > 2**21
    build_all(Experiment(stream, network, strategies=[adapters]))
