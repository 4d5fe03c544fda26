"""One thread, so that a busy two-core machine stays fast; seeds are each test's own business."""

import torch

torch.set_num_threads(1)
