"""docs/operators.md is what the records say today."""

from pathlib import Path

from catalogue.page import page


def test_the_page_is_written_from_the_records() -> None:
    written = Path(__file__).parents[2] / "docs" / "operators.md"
    assert written.read_text() == page(), "write it again: python -m catalogue.page"
