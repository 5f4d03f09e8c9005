"""Every tutorial runs as it is printed, and prints what its page says."""

from __future__ import annotations

import pytest

from trainlet.backends.toolchain import arm_toolchain

from .scripts import DOCS, script

tutorials = script("tutorials")
# The pages were made with gcc; zig makes more code of the same C, and uses more stack.
SHARE = 0.05 if arm_toolchain().kind == "gcc" else 0.5
PAGES = sorted((DOCS / "tutorials").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_prints_what_the_page_says(page, tmp_path):
    with tutorials.folder(tmp_path):
        outputs = tutorials.outputs(page)
    assert outputs, "a tutorial shows what came out"
    for printed, found in outputs:
        assert not tutorials.differences(printed, found, SHARE)


@pytest.mark.parametrize(
    "printed, found, same",
    [
        ("RAM 4,596 bytes", "RAM 4,700 bytes", True),
        ("RAM 4,596 bytes", "RAM 5,200 bytes", False),
        ("88% right", "95% right", True),
        ("88% right", "75% right", False),
        ("12 files", "12 folders", False),
        ("a\nb", "a", False),
    ],
)
def test_a_number_may_differ_a_little(printed, found, same):
    assert (not tutorials.differences(printed, found)) == same
