"""The checked-in page is what its sources build."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from trainlet.explorer.page import BUILT, page

SOURCES = Path(__file__).parents[2] / "explorer"


def test_it_is_up_to_date(tmp_path: Path) -> None:
    if not (SOURCES / "node_modules" / "esbuild").is_dir():
        pytest.skip("needs esbuild: npm install in explorer/")
    output = tmp_path / "page.html"
    subprocess.run(["node", "build.mjs", str(output)], cwd=SOURCES, check=True)
    assert output.read_text() == BUILT.read_text(), "run `npm run build` in explorer/"


def test_types() -> None:
    tsc = SOURCES / "node_modules" / ".bin" / "tsc"
    if not tsc.exists():
        pytest.skip("needs TypeScript: npm install in explorer/")
    done = subprocess.run([str(tsc)], cwd=SOURCES, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_it_holds_no_address_of_another_machine() -> None:
    text = BUILT.read_text()
    known = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"}
    for known_name in known:
        text = text.replace(known_name, "")
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text


def test_data_cannot_leave_its_element() -> None:
    text = page({"name": "</script><script>alert(1)</script>"})
    assert text.count("</script>") == BUILT.read_text().count("</script>")
    data = text.split('id="lesson">')[1].split("</script>")[0]
    assert json.loads(data)["name"] == "</script><script>alert(1)</script>"
