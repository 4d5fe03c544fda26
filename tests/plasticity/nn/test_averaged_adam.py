"""Averaged Adam against torch's optimizer, and the average against its recursion."""

import pytest
import torch

from plasticity import AveragedAdam


@pytest.mark.parametrize("settling", [1e12, 3.0])
def test_each_row_is_torchs_adam_followed_by_its_average(settling: float):
    rng = torch.Generator().manual_seed(0)
    many = AveragedAdam(2, torch.zeros(5), lr=0.1, momentum=0.5, settling=settling)
    start = torch.randn(2, 5, generator=rng)
    rows = [each.clone().requires_grad_() for each in start]
    theirs = [torch.optim.Adam([row], 0.1, betas=(0.9, 0.99)) for row in rows]
    average = start.clone()
    for row in range(2):
        many.start(row, start[row])
    for row in (0, 1, 1, 0, 1, 1, 1):
        grad = torch.randn(5, generator=rng)
        many.descend(row, grad)
        count = int(many.taken[row])
        theirs[row].param_groups[0]["lr"] = 0.1 / (1 + count / settling) ** 0.5
        rows[row].grad = grad
        theirs[row].step()
        average[row] += (rows[row].detach() - average[row]) * max(0.5, 2 / (count + 2))
        torch.testing.assert_close(many.weights[row], rows[row].detach())
        torch.testing.assert_close(many.average[row], average[row])
    assert many.taken.tolist() == [2, 5]


def test_what_has_moved_forgets_most_of_its_steps_and_what_begins_anew_all():
    many = AveragedAdam(2, torch.zeros(3), lr=0.1, momentum=0.9, settling=10.0)
    for _ in range(23):
        many.descend(1, torch.ones(3))
    many.unsettle(1)
    assert many.settled.tolist() == [0, 4] and many.taken.tolist() == [0, 23]
    before = many.average[1].clone()
    many.descend(1, torch.ones(3))
    expected = before + (many.weights[1] - before) * 2 / 7
    torch.testing.assert_close(many.average[1], expected)
    many.start(1, torch.ones(3))
    assert not many.first.any() and not many.taken.any() and many.average[1].tolist() == [1, 1, 1]
