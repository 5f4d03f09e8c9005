"""Update schemes that make no sense, in Python and in files."""

import pytest

import trainlet as tl
from errors.small import compiled, small
from trainlet.errors import FileError, SchemeError


@pytest.mark.parametrize("ratio", [-0.1, 1.01, float("nan"), float("inf"), "half", None, True, [1]])
def test_a_ratio_outside_its_range(ratio):
    with pytest.raises(SchemeError, match=r"parameter 'fc\.bias' has ratio .*; allowed: 0\.\.1"):
        tl.UpdateScheme({"fc.bias": ratio})
    with pytest.raises(SchemeError, match=r"allowed: 0\.\.1"):
        compiled(scheme={"fc.bias": ratio})


def test_an_unknown_parameter():
    message = r"unknown parameter, 'conv\.wieght'; closest of the model's 4: conv\.weight"
    with pytest.raises(SchemeError, match=message):
        compiled(scheme={"fc.bias": 1, "conv.wieght": 0.5})
    with pytest.raises(SchemeError, match=r"unknown parameter, 'zzz'; closest of the model's 4: "):
        compiled(scheme={"zzz": 1, "yyy": 1})


def test_an_unknown_preset():
    with pytest.raises(SchemeError, match="full, last, bias, norm"):
        tl.schemes.preset("everything", small())


NOT_TOML = {
    "broken": "[update\n",
    "binary": "\x00\x01\x02",
    "twice": '[update]\n"a" = 1\n"a" = 0\n',
    "deep arrays": "x = " + "[" * 20_000 + "]" * 20_000,
    "deep keys": "[" + ".".join(["a"] * 20_000) + "]\n",
    "deep tables": "x = " + "{a=" * 20_000 + "1" + "}" * 20_000,
}
NO_SCHEME = {
    "text for a ratio": '[update]\n"a" = "half"\n',
    "truth for a ratio": '[update]\n"a" = true\n',
    "date for a ratio": '[update]\n"a" = 2026-01-01\n',
    "array for a ratio": '[update]\n"a" = [0.5]\n',
    "table for a ratio": "[update.a]\nratio = 0.5\n",
    "no table": "update = 3\n",
    "another table": '[update]\n"a" = 1\n[other]\nx = 1\n',
    "array of tables": '[[update]]\n"a" = 1\n',
}


@pytest.mark.parametrize("name", NOT_TOML)
def test_a_text_that_is_no_toml(name):
    with pytest.raises(FileError, match="a.toml: (not TOML|nested too deeply|a: |x: )"):
        tl.UpdateScheme.from_toml(NOT_TOML[name], "a.toml")


@pytest.mark.parametrize("name", NO_SCHEME)
def test_toml_that_is_no_scheme(name):
    with pytest.raises(FileError, match=r"a\.toml: .*allowed: a table \[update\] with one line"):
        tl.UpdateScheme.from_toml(NO_SCHEME[name], "a.toml")


@pytest.mark.parametrize("ratio", ["1.5", "-1", "nan", "inf", "1e400", "9" * 400])
def test_a_ratio_in_a_file(ratio):
    with pytest.raises((SchemeError, FileError), match="ratio|a.toml"):
        tl.UpdateScheme.from_toml(f'[update]\n"a" = {ratio}\n', "a.toml")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileError, match=r"none\.toml: cannot be read"):
        tl.UpdateScheme.load(tmp_path / "none.toml")
    with pytest.raises(FileError, match="cannot be read"):
        tl.UpdateScheme.load(tmp_path)
    (tmp_path / "bytes.toml").write_bytes(bytes(range(128, 256)))
    with pytest.raises(FileError, match=r"bytes\.toml: cannot be read"):
        tl.UpdateScheme.load(tmp_path / "bytes.toml")


def test_a_huge_file(tmp_path):
    """Read whole, in time, and still judged line by line."""
    lines = [f'"p{k}" = 0.5' for k in range(50_000)] + ['"last" = 7']
    path = tmp_path / "huge.toml"
    path.write_text("[update]\n" + "\n".join(lines))
    with pytest.raises(SchemeError, match="'last' has ratio 7"):
        tl.UpdateScheme.load(path)


def test_there_and_back(tmp_path):
    odd = {"a.weight": 0.1, 'quo"te': 1.0, "back\\slash": 0.25, "tab\tnew\nline": 0.5, "ü": 1 / 3}
    scheme = tl.UpdateScheme(odd | {"frozen": 0})
    scheme.save(tmp_path / "s.toml")
    assert tl.UpdateScheme.load(tmp_path / "s.toml") == scheme
    assert dict(scheme.ratios) == odd
