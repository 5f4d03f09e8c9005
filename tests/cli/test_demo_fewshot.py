"""`trainlet demo-fewshot` on this machine: fast, and the same C as on the emulated one."""

import re

RIGHT = re.compile(r"([\d.]+)% right")


def test_five_drawings_of_each_symbol_are_enough(run, tmp_path) -> None:
    out = tmp_path / "with space"
    result = run("demo-fewshot", "--on", "host", "-o", out)
    assert result.exit_code == 0, result.output
    before, observed, learnt = map(float, RIGHT.findall(result.stdout))
    assert before == 20 and observed > 80 and learnt > 80
    assert re.search(r"RAM +[\d.]+ of 64 KB", result.stdout)
    assert re.search(r"chosen channels +\d+ of \d+\.weight", result.stdout)
    assert (out / "few_shot.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "trainer" / "trainer.h").exists()


def test_a_folder_without_drawings(refused, tmp_path) -> None:
    assert "contains no pictures" in refused("demo-fewshot", "--data", tmp_path, "--on", "host")
