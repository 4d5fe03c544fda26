"""What a network was taught, and how far that goes: python experiments/teaching.py runs/teaching.

Of every target and seed of the sweep, the pretrained network, on several tunnels: the one it was taught on, the same
with its features in another order (where there are several), with one feature more, and SULA. Printed are means over
seeds and their 95 % intervals:

    kl              KL(amnesic || network), bits per asked position
    accuracy        of its best guess: mean p(guess), p the exact amnesic predictive
    overconfidence  mean q(guess) - p(guess), q the network's
    episodes        until kl is below GAP: from the first on (taught), or from the taught network on, learning from what
                    came by AdamW (adapted); those that are not there yet count as more than all, and are counted beside
"""

import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import torch

from plasticity import Network, Tunnel
from plasticity.cli.common import parsed
from plasticity.engine.config import Pretrain
from plasticity.engine.pretrain import fresh, pretrained
from plasticity.engine.pretrain_key import fresh_network
from plasticity.metrics.significance import spread
from plasticity.results.load import load
from streams import SULA, Choice, Padded

GAP = 0.05
"""Bits."""
EPISODES = 1024
"""Held out, on which a network is judged."""
STEPS, EVERY, BATCH, RATE = 120, 20, 32, 3e-3
"""Of adapting: steps, steps between looks, episodes a step, and AdamW's learning rate."""


class Worth(NamedTuple):
    """Of a network on a tunnel, in bits and in shares of asked positions."""

    kl: float
    accuracy: float
    overconfidence: float


def transfers(tunnel: Padded) -> dict[str, Tunnel]:
    """What the network is tried on; the first is what it was taught on."""
    inner, vocab, symbols = tunnel.tunnel, tunnel.vocab, tunnel.symbols
    assert isinstance(inner, Choice)
    more, turned = Choice(inner.features + 1, inner.levels), [*range(inner.features)][::-1]
    others = {
        "permuted": (Choice(inner.features, inner.levels, order=turned), tunnel.length),
        "one feature more": (more, (tunnel.length + 1) // more.round * more.round - 1),
        "SULA": (SULA(words=vocab - 4), 9),
    }
    if inner.features == 1:
        del others["permuted"]
    return {"same": tunnel} | {
        name: Padded(other, vocab, symbols, length) for name, (other, length) in others.items()
    }


@torch.no_grad()
def worth(network: Network, tunnel: Tunnel, time: int) -> Worth:
    """On held-out episodes, the same for every network."""
    rng = np.random.default_rng(12345)
    x, y = tunnel.draw(tunnel.latents(EPISODES, rng), time, rng)
    asked = tunnel.asked(time)
    exact = torch.from_numpy(tunnel.observer().predict(x, y)[:, asked])
    log_q = network.eval()(torch.from_numpy(x))[:, asked].double().log_softmax(-1)
    kl = (torch.xlogy(exact, exact) - exact * log_q).sum(-1).mean() / np.log(2)
    guess = log_q.argmax(-1, keepdim=True)
    p, q = exact.gather(-1, guess), log_q.gather(-1, guess).exp()
    return Worth(float(kl), float(p.mean()), float((q - p).mean()))


def adapt(network: Network, tunnel: Tunnel, time: int, seed: int) -> int:
    """Episodes of the tunnel until the gap is closed, learning from what came."""
    learner, plan = deepcopy(network), Pretrain(steps=STEPS, batch=BATCH)
    optimizer = torch.optim.AdamW(learner.parameters(), RATE, weight_decay=0.0)
    world = fresh([tunnel], plan, time, seed + (1 << 29))
    for step in range(STEPS + 1):
        if step % EVERY == 0 and worth(learner, tunnel, time).kl < GAP:
            return step * BATCH
        batch = world[step]
        logits = learner.train()(batch.inputs)[:, batch.asked].flatten(0, 1)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(
            logits, batch.targets[:, batch.asked].flatten()
        ).backward()
        optimizer.step()
    return (STEPS + 1) * BATCH


def lines(folder: Path) -> Iterator[dict[str, object]]:
    """One per target, seed and tunnel; a network that was taught nothing last."""
    untaught = set[int]()
    for run in load(folder).runs:
        experiment = parsed(run.path / "experiment.yaml", [])
        (recipe,) = experiment.labelled_networks().values()
        for seed in experiment.seeds or [experiment.seed]:
            key = experiment.pretraining(recipe, seed)
            weights, cell = pretrained(key, experiment.pretrained)
            network = fresh_network(recipe, key.spec, seed)
            named = {"nothing": deepcopy(network), key.plan.target: network}
            network.load_state_dict(weights)
            probes = cell.probes.read().sort("step")
            below = probes.filter(pl.col("kl_amnesic/model") < GAP)["step"]
            done = (int(below[0]) if len(below) else key.plan.steps + 1) * key.plan.batch
            (tunnel,) = key.tunnels()
            assert isinstance(tunnel, Padded)
            for target, mine in named.items():
                if target == "nothing" and (seed in untaught or untaught.add(seed)):
                    continue
                for name, other in transfers(tunnel).items():
                    taught = name == "same"
                    line = {"target": target, "seed": seed, "tunnel": name}
                    line |= worth(mine, other, key.spec.time)._asdict()
                    episodes = done if taught else adapt(mine, other, key.spec.time, seed)
                    most = key.plan.steps * key.plan.batch if taught else STEPS * BATCH
                    yield line | {"episodes": float(episodes), "late": episodes > most}


if __name__ == "__main__":
    found = pl.DataFrame(list(lines(Path(sys.argv[1]))))
    for (name, target), rows in found.group_by("tunnel", "target", maintain_order=True):
        cells = [f"{c} {spread(rows[c].to_list(), 3)}" for c in Worth._fields]
        episodes = f"episodes {spread(rows['episodes'].to_list(), 0)}, late {rows['late'].sum()} of {len(rows)}"
        if (name, target) == ("same", "nothing"):
            episodes = ""
        print(f"{name:17} {target:10} {'  '.join(cells)}  {episodes}")
