"""What a step of the learner costs beyond its arithmetic."""

import pytest
import torch

from plasticity.checks.world import learner, world
from plasticity.learner import Lesson
from plasticity.recipes import recipe
from plasticity.strategy import Strategy


def test_a_step_does_not_look_for_a_gpu(monkeypatch: pytest.MonkeyPatch):
    """Where Lightning's variable is set, torch loads NVIDIA's library at each step of Adam."""
    looked = list[int]()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: looked.append(1) or 0)
    made, batch = learner(recipe(Strategy)), world()[0]
    made.setup("fit")
    made.configure_optimizers()
    lesson = Lesson(0, False, batch, torch.zeros(0, 0, 0, 0))
    made.meet(lesson)
    assert not looked
    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    made.meet(lesson)
    assert looked
