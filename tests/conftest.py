"""What holds for all tests."""

import os

from trainlet.backends.toolchain import STRICT

os.environ[STRICT] = "1"  # C that the tests build has no warnings
