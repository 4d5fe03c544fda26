"""What an edit is worth before anything was learned: python experiments/seal_edits.py experiments/seal.yaml.

Of every seed 96 candidates on the first batch, as SEAL samples them, under two inner rates: the share that is rewarded,
how many right and wrong answers all of them and the rewarded ones take up, and how rewards go with those counts; then
24 candidates that take up right answers alone, and wrong ones alone.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from plasticity import Batch
from plasticity.cli.common import parsed
from plasticity.core.learner import Spec
from plasticity.engine.learner import OnlineLearner
from plasticity.launch.restore import pretrained_network
from strategies import SEAL
from strategies.seal import Edits, halves

EDITS, ALONE = 96, 24


def main(file: Path) -> None:
    """A line for every seed and inner rate, and two more."""
    experiment = parsed(file, [])
    recipe = next(iter(experiment.labelled_networks().values()))
    for seed in experiment.seeds:
        stream = experiment.stream.build(seed=seed)
        network, _ = pretrained_network(experiment, recipe, seed)
        batch, asked = stream.keyed(0)[0], torch.from_numpy(stream.asked)
        for inner in (0.1, 1.0):
            made = SEAL(edits=EDITS, inner=inner)
            learner = OnlineLearner(
                network, made, experiment.optimizer.build(), Spec.of(stream), seed,
                asked=asked, is_correct=stream.is_correct,
            )  # fmt: skip
            learner.attach()
            edits = made.sampled(learner, batch, network(batch.inputs))
            wrong = edits.own & ~edits.right
            found, counts = rewards(made, learner, batch, edits, EDITS), []
            for kind in (edits.right, wrong):
                rows = [halves(batch.inputs, k)[0] for k in range(EDITS)]
                taken = edits.taken & kind
                counts.append(np.array([int(taken[k, mine].sum()) for k, mine in enumerate(rows)]))
            kept = found > 0
            means = [
                (round(n.mean(), 1), round(n[kept].mean(), 1) if kept.any() else None)
                for n in counts
            ]
            with_counts = [round(float(np.corrcoef(found, n)[0, 1]), 2) for n in counts]
            print(f"seed {seed} inner {inner}: rewarded {kept.mean():.2f}, mean {found.mean():.3f}")
            print(f"  right, wrong (all, rewarded): {means}; correlations {with_counts}")
            for name, kind in (("right", edits.right), ("wrong", wrong)):
                alone = rewards(made, learner, batch, edits._replace(taken=kind), ALONE)
                print(f"  {name} alone: rewarded {(alone > 0).mean():.2f}, mean {alone.mean():.3f}")


def rewards(
    made: SEAL, learner: OnlineLearner, batch: Batch, edits: Edits, count: int
) -> np.ndarray:
    """Of the first so many candidates."""
    found = list[float]()
    for k in range(count):
        mine, other = halves(batch.inputs, k)
        found.append(made.reward(learner, batch, edits.loss(k, mine), edits, other))
    return np.array(found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
