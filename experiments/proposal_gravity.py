"""Data gravity in proposals: python experiments/proposal_gravity.py experiments/einstein.yaml proposal_gravity.png.

The Einstein test for a hybrid that remembers everything: the exact model keeps the likelihood of all that came, and
weighs n laws that are drawn before every answer from q' = (1 - e) q + e p, with p the prior and e = SHARE. Proposals q:

    prior       p
    entrenched  the law of the era alone: what cross-entropy on the era's law ends at
    learned     moves towards the weighed draws of every step: q <- (1 - RATE) q + RATE w
    network     a head on the experiment's pretrained network, which is shown the episode: trained on episodes of
                all laws (`plasticity hybrid`), then one step of AdamW per step of the stream, by cross-entropy on
                the weighed draws
    posterior   exact

Printed, per seed, proposal and n: anomalies until the mind changes for good, and data gravity, that over the count of
the exact posterior; where it never changed, all anomalies that there were. Beside it the bits of the new law.
"""

import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from jaxtyping import Float
from torch import nn

from plasticity.cli.common import parsed
from plasticity.launch.experiment import Experiment
from plasticity.launch.restore import pretrained_network
from plasticity.metrics.gravity import LawChange, law_change
from plasticity.nn.proposal_head import ProposalHead
from plasticity.observers.frontier import bits_lost
from plasticity.observers.hybrid import Judged, defended, drawn, judged, weigh
from plasticity.plots import Curve, averaged, bits_by_draws
from plasticity.plots.style import COLOURS, SOFT, Look, figure_of
from plasticity.studies.hybrid_study import Plan, trained
from streams import Laws
from streams.laws.revolution import ANOMALOUS, ANOMALOUS_OLD, UNSEEN, UNSEEN_OLD, Revolution

SHARE, RATE, LR = 0.1, 0.1, 1e-3
DRAWS = [1 << k for k in (4, 8, 12, 16, 18, 20, 22)]
ROWS = 16
"""Probe episodes, each with draws of its own."""
CHECKPOINTS = [*range(16), *range(16, 201, 8)]
"""Steps after the era; in each about .9 anomalies."""
LOOKS = {
    "prior": Look(SOFT, (9, 3)),
    "entrenched": Look(COLOURS[1]),
    "learned": Look(COLOURS[0], (2, 3), 2.2),
    "network": Look(COLOURS[2]),
}
Masses = Float[np.ndarray, " laws"]
Proposed = Float[np.ndarray, "#rows 1 laws"]
"""For each probe episode, or the same for all."""


class Head:
    """A proposal head that goes on learning from its own weighed draws."""

    def __init__(self, head: ProposalHead):
        self.head = deepcopy(head)
        self.optimizer = torch.optim.AdamW(self.head.layers.parameters(), LR)

    def says(self, inputs: torch.Tensor) -> Proposed:
        """What is proposed for each episode, before its last answer."""
        with torch.no_grad():
            return self.head(inputs)[:, -1:].double().softmax(-1).numpy()

    def learn(self, inputs: torch.Tensor, mass: Masses) -> None:
        """One step towards what the draws weigh."""
        logits = self.head(inputs)[:, -1]
        wanted = torch.from_numpy(mass).to(logits).expand_as(logits)
        self.optimizer.zero_grad()
        nn.functional.cross_entropy(logits, wanted).backward()
        self.optimizer.step()


class Probe(NamedTuple):
    """Episodes that end in a question where the two laws disagree."""

    inputs: torch.Tensor
    found: Judged
    """Of the episode alone."""
    revised: Float[np.ndarray, "rows 1 symbols"]
    old: Float[np.ndarray, "rows 1 symbols"]

    def lost(self, memory: Masses, q: Proposed | None, draws: int, chance: np.random.Generator):
        """KL(revised || hybrid) and KL(old || hybrid) in bits; q None: of the exact posterior."""
        whole = self.found._replace(nats=self.found.nats + memory)
        if q is None:
            each = np.ones(whole.nats.shape, np.int64)
            said = weigh(whole, each, each.astype(float)).predictive
        else:
            shares = np.broadcast_to(q, whole.nats.shape)
            said = weigh(whole, drawn(shares, draws, chance), shares).predictive
        return [float(bits_lost(truth, said).mean()) for truth in (self.revised, self.old)]


def probes(stream: Revolution) -> tuple[Probe, Probe]:
    """On anomalies, and where nothing was ever observed."""
    hypotheses, asked = stream.laws.hypotheses(), np.arange(stream.time) == stream.time - 1
    keyed = dict(zip(stream.probed, stream.keyed_probes(), strict=True))
    found = list[Probe]()
    for regime, other in ((ANOMALOUS, ANOMALOUS_OLD), (UNSEEN, UNSEEN_OLD)):
        batch, key = keyed[regime]
        x, y = batch.inputs[:ROWS].numpy(), key.drawn[:ROWS].numpy()
        truths = [
            stream.laws.informed(stream.latent(each)).predict(x, y)[:, asked]
            for each in (regime, other)
        ]
        every = np.arange(len(hypotheses.prior))
        found.append(Probe(batch.inputs[:ROWS], judged(hypotheses, every, x, y, asked), *truths))
    return found[0], found[1]


def changes(stream: Revolution, head: ProposalHead) -> Iterator[tuple[str, int, LawChange]]:
    """(proposal, draws, what happened)."""
    prior = stream.laws.hypotheses().prior
    seen_at = probes(stream)
    era = np.eye(len(prior))[stream.revision.old]
    learned, heads = {n: prior for n in DRAWS}, {n: Head(head) for n in DRAWS}
    chance, state = np.random.default_rng(stream.seed), stream.laws.observer()
    own = np.random.default_rng((stream.seed, 1))  # the network's; the others draw as without it
    tables, ideal, at = dict[tuple[str, int], list[list[float]]](), list[list[float]](), []
    for step in range(stream.era + CHECKPOINTS[-1] + 1):
        memory = state.log_weights - np.log(prior)  # type: ignore[attr-defined] of a finite observer
        if step - stream.era in CHECKPOINTS:
            at.append(step)
            ideal.append([b for probe in seen_at for b in probe.lost(memory, None, 0, chance)])
            for n in DRAWS:
                same = {"prior": prior, "entrenched": era, "learned": learned[n]}
                proposed = {name: [q[None, None]] * 2 for name, q in same.items()}
                proposed["network"] = [heads[n].says(probe.inputs) for probe in seen_at]
                for name, each in proposed.items():
                    lost, rng = list[float](), own if name == "network" else chance
                    for probe, q in zip(seen_at, each, strict=True):
                        lost += probe.lost(memory, defended(q, prior, SHARE), n, rng)
                    tables.setdefault((name, n), []).append(lost)
        batch, key = stream.keyed(step)
        state = state.absorb(batch.inputs.numpy(), key.drawn.numpy())
        nats = state.log_weights  # type: ignore[attr-defined] of a finite observer
        for n in DRAWS:
            mass = weighed(learned[n], prior, nats, n, chance)
            learned[n] = (1 - RATE) * learned[n] + RATE * mass
            q = heads[n].says(batch.inputs).mean((0, 1))
            heads[n].learn(batch.inputs, weighed(q, prior, nats, n, own))
        if step % 20 == 0:
            print(f"seed {stream.seed} step {step}", file=sys.stderr, flush=True)
    seen = stream.seen(np.array(at))
    for (name, n), rows in tables.items():
        yield name, n, law_change(np.array(rows), np.array(ideal), seen, stream.laws.noise)


def weighed(q: Masses, prior: Masses, nats: Masses, n: int, chance: np.random.Generator) -> Masses:
    """What n draws from a proposal weigh, given all that came."""
    shares = defended(q[None, None], prior, SHARE)[0, 0]
    counts = drawn(shares, n, chance)
    known = np.where(counts > 0, nats - np.log(shares), -np.inf)
    mass = counts * np.exp(known - known.max())
    return mass / mass.sum()


def head_of(experiment: Experiment, stream: Revolution) -> ProposalHead:
    """On the pretrained network, trained on episodes of all laws."""
    recipe = next(iter(experiment.labelled_networks().values()))
    network, _ = pretrained_network(experiment, recipe, stream.seed)
    seed = (stream.seed, 0)
    return trained(stream.laws, stream.laws.hypotheses(), network, stream.time, seed, Plan())


def main(file: Path, picture: Path) -> None:
    """Every seed of the experiment; a table, and a picture."""
    experiment, rows = parsed(file, []), list[dict[str, object]]()
    for seed in experiment.seeds:
        stream = experiment.stream.build(seed=seed)
        assert isinstance(stream, Revolution) and isinstance(stream.laws, Laws)
        prior = stream.laws.hypotheses().prior
        length = float(-np.log2(prior[stream.revision.revised]))
        print(f"seed {seed}: {stream.laws.book.texts[stream.revision.revised]}, {length:.2f} bits")
        print(f"  2^bits / e = {2**length / SHARE:,.0f}")
        for name, n, change in changes(stream, head_of(experiment, stream)):
            rows.append({"seed": seed, "proposal": name, "draws": n, "bits": length,
                         "switched": change.switched, "ideal": change.ideal, "held": change.held,
                         "gravity": change.gravity, "at_least": change.at_least})  # fmt: skip
    table = pl.DataFrame(rows, infer_schema_length=None)
    with pl.Config(tbl_rows=-1, tbl_cols=-1):
        print(table)
    table.write_csv(picture.with_suffix(".csv"))
    draw(table, picture)


def draw(table: pl.DataFrame, picture: Path) -> None:
    """Data gravity over n, the mean of the seeds; in grey 2^bits / e of each."""
    curves = dict[str, Curve]()
    for name, look in LOOKS.items():
        seeds = table.filter(pl.col("proposal") == name).partition_by("seed")
        each = [mine.sort("draws")["at_least"].to_numpy() for mine in seeds]
        curves[name] = averaged(np.array(DRAWS), each, look)._replace(half=None)
    level = 1.0, "the exact posterior"
    ax = bits_by_draws(curves, "data gravity, at least (mean of the seeds)", level)
    ax.set_ylim(0.8, None)
    needed = [2**length / SHARE for length in table["bits"].unique().to_list()]
    for n in needed:
        ax.axvline(n, color=SOFT, linewidth=1)
    ax.annotate("2^bits / e", (max(needed), 30), (4, 0), textcoords="offset points", color=SOFT)
    figure_of(ax).savefig(picture, dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
