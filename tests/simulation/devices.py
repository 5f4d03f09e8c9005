"""The devices of torch on this machine: a test is made for each that there is."""

import pytest
import torch

HAS_GPU = torch.cuda.is_available()
DEVICES = ["cpu", *([pytest.param("cuda", marks=pytest.mark.gpu)] if HAS_GPU else [])]
