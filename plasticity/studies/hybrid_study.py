"""Importance sampling with a learned proposal: how many hypotheses must a network propose to an exact model?"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from torch import nn

from plasticity.core.network import Network
from plasticity.core.tunnel import Hypotheses, Symbols, Tunnel
from plasticity.engine.pretrain_key import Key
from plasticity.launch.executors import Engine, share
from plasticity.launch.restore import pretrained_network
from plasticity.nn.proposal_head import ProposalHead
from plasticity.observers.frontier import bits_lost
from plasticity.observers.hybrid import (
    Propose,
    Shares,
    defended,
    drawn,
    judged,
    pooled,
    weigh,
)
from plasticity.results.sealed import digest
from plasticity.results.table import Table
from plasticity.studies.predictive_matrix import FLOOR
from plasticity.studies.tunnel_table import TableEntry

PROPOSALS = ("prior", "network", "posterior")
"""Of which the first and the last, which is exact, are the bounds of what a network can do."""
ALONE = "network alone"
"""No proposal, but what the network itself predicts."""
CELLS = 1 << 22
"""Numbers that all hypotheses say of the episodes that are judged at once, about."""
TRAINED, HELD_OUT, DRAWN = range(3)
"""Purposes of randomness."""


class Plan(NamedTuple):
    """How the head is trained, and what the hybrid is tried on."""

    draws: int = 4096
    """The most; tried are 1, 2, 4, ... up to it."""
    share: float = 0.1
    """Of the prior in every proposal."""
    episodes: int = 256
    """Held out, of each tunnel."""
    steps: int = 1000
    """Of training the head."""
    hidden: int = 256
    """Channels of the head."""
    batch: int = 64
    """Episodes per step of the head."""
    lr: float = 3e-3
    """AdamW's, at first; it falls to 0 as a cosine."""

    @property
    def levels(self) -> list[int]:
        """Numbers of draws."""
        return [1 << k for k in range(self.draws.bit_length())]


def run(wanted: Sequence[TableEntry], plan: Plan, jobs: int) -> Iterator[int]:
    """Do every entry, several at a time; yields the index of each as it is done, those already done at once."""
    left = [i for i, entry in enumerate(wanted) if not len(_place(entry, plan)[1].read())]
    yield from sorted(set(range(len(wanted))) - set(left))
    yield from share(_work, [(i, wanted[i], plan) for i in left], Engine(jobs=jobs))


def curves(entry: TableEntry, plan: Plan) -> pl.DataFrame:
    """One row per tunnel, proposal and number of draws. Kept beside the weights of the network.

    | column | |
    |---|---|
    | weighed | KL(amnesic, hybrid) by importance weights, in bits per asked position |
    | pooled | the same, each hypothesis that was drawn counting once (`observers.hybrid.pooled`) |
    | ess | effective sample size of the weights, in draws |
    | distinct | different hypotheses among the draws |
    | barren | share of positions at which no draw explains what came |
    | gap | KL(exact posterior, q'), in bits |

    Of ALONE `weighed` and `pooled` are what the network itself loses, and draws are 0.

    Raises:
        NotImplementedError: a tunnel has no finite list of hypotheses.
    """
    key, kept = _place(entry, plan)
    if not len(kept.read()):
        network, _ = pretrained_network(entry.experiment, entry.network, entry.seed)
        tables = [
            study(tunnel, network, key.spec.time, (entry.seed, number), plan)
            for number, tunnel in enumerate(key.tunnels())
        ]
        columns = {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
        lengths = [len(t["draws"]) for t in tables]
        kept.write(0, {"tunnel": np.repeat(np.arange(len(tables)), lengths), **columns})
    return kept.read()


def study(
    tunnel: Tunnel, network: Network, time: int, seed: tuple[int, ...], plan: Plan
) -> dict[str, np.ndarray]:
    """The columns of `curves`, of one tunnel; `proposal` is a place in (*PROPOSALS, ALONE)."""
    hypotheses, asked = tunnel.hypotheses(), tunnel.asked(time)
    head = trained(tunnel, hypotheses, network, time, seed, plan)
    rng, chance = (np.random.default_rng((*seed, purpose)) for purpose in (HELD_OUT, DRAWN))
    x, y = tunnel.draw(tunnel.latents(plan.episodes, rng), time, rng)
    exact = tunnel.observer().predict(x, y)[:, asked]
    propose = proposing(head, asked)
    size = len(hypotheses.prior) * int(asked.sum()) * tunnel.symbols
    pieces = [slice(i, i + max(1, CELLS // size)) for i in range(0, len(x), max(1, CELLS // size))]
    found = [
        _piece(hypotheses, propose, x[rows], y[rows], exact[rows], asked, plan, chance)
        for rows in pieces
    ]
    sizes = [len(x[rows]) for rows in pieces]
    means = np.average(found, axis=0, weights=sizes)  # proposal, level, number
    with torch.no_grad():
        said = network(torch.from_numpy(x))[:, asked].double().softmax(-1).numpy()
    alone = float(_lost(exact, said))
    last = [alone, alone, *[np.nan] * (means.shape[-1] - 2)]
    table = np.concatenate([means.reshape(-1, means.shape[-1]), [last]])
    levels = np.array(plan.levels * len(PROPOSALS) + [0])
    proposal = np.append(np.arange(len(PROPOSALS)).repeat(len(plan.levels)), len(PROPOSALS))
    names = ("weighed", "pooled", "ess", "distinct", "barren", "gap")
    return {"proposal": proposal, "draws": levels, **dict(zip(names, table.T, strict=True))}


def trained(
    tunnel: Tunnel,
    hypotheses: Hypotheses,
    network: Network,
    time: int,
    seed: tuple[int, ...],
    plan: Plan,
) -> ProposalHead:
    """A head, by cross-entropy on the hypothesis that made each episode, at every asked position."""
    rng = np.random.default_rng((*seed, TRAINED))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(1 << 62)))
        head = ProposalHead(network, len(hypotheses.prior), plan.hidden)
    optimizer = torch.optim.AdamW(head.layers.parameters(), plan.lr)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, plan.steps))
    asked = torch.from_numpy(tunnel.asked(time))
    for _ in range(plan.steps):
        latents = tunnel.latents(plan.batch, rng)
        inputs = torch.from_numpy(tunnel.draw(latents, time, rng)[0])
        truth = torch.from_numpy(hypotheses.of(latents))[:, None].expand(-1, int(asked.sum()))
        loss = nn.functional.cross_entropy(head(inputs)[:, asked].mT, truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falling.step()
    return head.eval()


def proposing(head: ProposalHead, asked: np.ndarray) -> Propose:
    """The head as a proposal, in float64."""

    @torch.no_grad()
    def propose(inputs: Symbols, targets: Symbols) -> Shares:
        return head(torch.from_numpy(inputs))[:, asked].double().softmax(-1).numpy()

    return propose


def _piece(
    hypotheses: Hypotheses,
    propose: Propose,
    x: Symbols,
    y: Symbols,
    exact: np.ndarray,
    asked: np.ndarray,
    plan: Plan,
    chance: np.random.Generator,
) -> np.ndarray:
    """Numbers of some episodes, by proposal and number of draws; the draws of one are among those of the next."""
    found = judged(hypotheses, np.arange(len(hypotheses.prior)), x, y, asked)
    posterior = found.posterior()
    everywhere = np.broadcast_to(hypotheses.prior, posterior.shape)
    table = list[list[list[float]]]()
    for q in (everywhere, propose(x, y), posterior):
        q = defended(q, hypotheses.prior, plan.share)
        gap, counts, rows = float(bits_lost(posterior, q).mean()), np.zeros(q.shape, np.int64), []
        for level in plan.levels:
            counts = counts + drawn(q, max(1, level // 2), chance)
            each, once = weigh(found, counts, q), pooled(found, counts)
            distinct, barren = (counts > 0).sum(-1).mean(), (each.ess == 0).mean()
            lost = [_lost(exact, said.predictive) for said in (each, once)]
            rows.append([*lost, float(each.ess.mean()), float(distinct), float(barren), gap])
        table.append(rows)
    return np.array(table)


def _lost(exact: np.ndarray, said: np.ndarray) -> float:
    """KL(exact, said) in bits per asked position; a probability counts as FLOOR at least, so that it is finite."""
    near = said.clip(FLOOR)
    return float(bits_lost(exact, near / near.sum(-1, keepdims=True)).mean())


def _place(entry: TableEntry, plan: Plan) -> tuple[Key, Table]:
    """What is pretrained, and where its curves are kept."""
    key = entry.experiment.pretraining(entry.network, entry.seed)
    settings = {"seed": entry.seed, **plan._asdict()}
    folder = key.cell(entry.experiment.pretrained).path
    return key, Table(folder / f"hybrid-{digest(settings)[:16]}")


def _work(index: int, entry: TableEntry, plan: Plan) -> int:
    curves(entry, plan)
    return index
