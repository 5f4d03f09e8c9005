"""Files drawn with a fixed seed: each is accepted or refused by an error of Trainlet's.

`python benchmarks/hostile.py` tries more of them.
"""

import pytest

from hostile.limited import outcome
from hostile.mutations import MUTATIONS, mutants
from hostile.ways_in import READERS, write_good

COUNT = {"pt2": 12, "npz": 12, "toml": 16, "state": 12}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    return {kind: path.read_bytes() for kind, path in write_good(folder).items()}


@pytest.mark.parametrize("kind", COUNT)
def test_no_file_ends_in_an_exception_of_others(kind, good, tmp_path):
    path, ends = tmp_path / f"mutant.{kind}", []
    for way, content in mutants(kind, good[kind], COUNT[kind], seed=1):
        path.write_bytes(content)
        ends.append((way, outcome(lambda: READERS[kind](path))))
    assert not [e for e in ends if e[1].startswith(("FOREIGN", "DIED"))]
    assert {way for way, _ in ends} == {w.__name__.removeprefix("change_") for w in MUTATIONS[kind]}
    assert any(end != "accepted" for _, end in ends)
