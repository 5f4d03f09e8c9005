"""trainlet account: a network's schemes, or a paper's table."""

import pytest

from trainlet.accounting import PUBLISHED


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_table(run, name):
    result = run("account", "--published", name)
    assert result.exit_code == 0, result.output
    assert "its rules" in result.output and "true" in result.output


def test_a_network_with_a_picture(net, run, tmp_path):
    (tmp_path / "half.toml").write_text('[update]\n"2.weight" = 0.5\n"2.bias" = 1\n')
    words = ("--schemes", "last,half.toml", "--target", "host", "--picture", "modes.svg")
    result = run("account", net, *words)
    assert result.exit_code == 0, result.output
    assert "last" in result.output and "half.toml" in result.output
    assert (tmp_path / "modes.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--published", "tiny"), "no published table 'tiny'; allowed: tinytl, sparse-update"),
        (("net.pt2", "--schemes", "last,lst"), "unknown scheme 'lst'"),
        (("net.pt2", "--picture", "modes.bmp"), ".svg"),
    ],
)
def test_refused(net, refused, words, said):
    assert said in refused("account", *words)


@pytest.mark.parametrize("words", [(), ("net.pt2", "--published", "tinytl")])
def test_a_network_or_a_table(net, run, words):
    result = run("account", *words)
    assert result.exit_code == 2
    assert "name a network, or --published" in result.output
