"""trainlet explore: a server on loopback until Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest
from typer.testing import CliRunner

from trainlet.cli.main import app


@pytest.mark.slow
def test_it_serves_until_interrupted() -> None:
    command = [sys.executable, "-m", "trainlet", "explore", "--no-browser"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        assert process.stdout
        line = next(line for line in process.stdout if "http" in line)
        url = re.search(r"http://127\.0\.0\.1:\d+/", line)[0]
        with urllib.request.urlopen(url) as answer:
            assert answer.read(15) == b"<!doctype html>"
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_a_lesson_takes_no_network(tmp_path) -> None:
    told = CliRunner().invoke(app, ["explore", "net.pt2", "--lesson", "-o", str(tmp_path / "l")])
    assert told.exit_code == 2
    assert "bundled" in told.output
    assert not (tmp_path / "l").exists()
