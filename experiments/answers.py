"""Accuracy of answers, by execution, in a run of conversations: python experiments/answers.py runs/conversation/<id>.

Every learner, as its last checkpoint has it (`keep: true`), and the exact observer who remembers nothing face the same
held-out conversations of each dialect. Printed are shares of programs: right as written / as the database answers.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from plasticity.cli.common import parsed
from plasticity.launch.restore import from_checkpoint
from plasticity.results.store import Run
from streams.conversation.answers import accuracy
from streams.conversation.conversation import Conversation
from streams.conversation.schedule import Conversations

CONVERSATIONS = 512
"""Of each dialect."""


def accuracies(run: Run) -> dict[str, list[np.ndarray]]:
    """Who -> for every seed, shares [dialect, written or answered, program]."""
    experiment = parsed(run.path / "experiment.yaml", [])
    contenders = experiment.contenders()
    found: dict[str, list[np.ndarray]] = {}
    for cell in run.cells():
        stream = experiment.stream.build(seed=cell.seed)
        assert isinstance(stream, Conversations)
        restored = from_checkpoint(experiment, cell, contenders[cell.label])
        network = restored.learner.network.eval()
        tunnel, rows = stream.tunnels[0], {cell.label: [], "exact Bayes, anew": []}
        assert isinstance(tunnel, Conversation)
        asked = tunnel.asked(stream.time)
        for dialect in range(stream.dialects):
            rng = np.random.default_rng(dialect)
            held = stream.latent(dialect).repeat(CONVERSATIONS, axis=0)
            x, y = tunnel.draw(held, stream.time, rng)
            with torch.no_grad():
                said = network(torch.from_numpy(x)).numpy()
            anew = tunnel.observer().predict(x, y)
            for who, p in zip(rows, (said, anew), strict=True):
                rows[who].append(accuracy(tunnel, p[:, asked], y[:, asked]))
        for who, each in rows.items():
            if who == cell.label or cell.label == run.cells()[0].label:
                found.setdefault(who, []).append(np.array(each))
    return found


if __name__ == "__main__":
    run = Run(Path(sys.argv[1]))
    dialects = "ABCDEFGH"
    for who, seeds in accuracies(run).items():
        mean = np.mean(seeds, axis=0)
        for dialect, (written, answered) in zip(dialects, mean, strict=False):
            first, every = (
                f"{written[at].mean():.2f} / {answered[at].mean():.2f}" for at in ([0], slice(None))
            )
            print(f"{who:20} dialect {dialect}: first program {first}, all {every}")
