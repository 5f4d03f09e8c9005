"""The server answers its own page, and nothing and nobody else."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest

from explorer.served import served
from trainlet.explorer.explored import SYMBOLS
from trainlet.explorer.requests import LONGEST
from trainlet.explorer.serve import Server

JSON = {"Content-Type": "application/json"}
LAST = {"scheme": "last", "precision": "float32", "batch": 1, "adapter": "none", "optimizer": "sgd"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with served(SYMBOLS) as running:
        yield running


def ask(server: Server, method: str, path: str, body: bytes | str = b"", **headers: str):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer, text


def test_the_page_and_its_headers(server: Server) -> None:
    answer, text = ask(server, "GET", "/")
    assert answer.status == 200
    assert text.startswith(b"<!doctype html>")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "example.org"},
        {"Host": "127.0.0.1"},
        {"Origin": "http://example.org"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:{port}"},
    ],
)
def test_other_hosts_and_origins_are_refused(server: Server, headers: dict[str, str]) -> None:
    given = {k: v.format(port=server.server_port) for k, v in headers.items()}
    for method, path in (("GET", "/"), ("POST", "/api/network")):
        answer, _ = ask(server, method, path, "{}", **JSON, **given)
        assert answer.status == 403


def test_its_own_origin_is_not(server: Server) -> None:
    own = server.url.rstrip("/")
    answer, text = ask(server, "POST", "/api/network", "{}", Origin=own, **JSON)
    assert answer.status == 200
    assert json.loads(text)["name"] == SYMBOLS


@pytest.mark.parametrize(
    "path", ["/page.html", "/../pyproject.toml", "/%2e%2e/x", "//etc/passwd", "/?x", "/api/plan"]
)
def test_there_is_no_other_path(server: Server, path: str) -> None:
    assert ask(server, "GET", path)[0].status == 404
    if path != "/api/plan":
        assert ask(server, "POST", path, "{}", **JSON)[0].status == 404


def test_a_question_is_json_and_not_long(server: Server) -> None:
    body = json.dumps(LAST)
    assert ask(server, "POST", "/api/estimate", body, Content_Type="text/plain")[0].status == 415
    long = " " * (LONGEST + 1)
    assert ask(server, "POST", "/api/estimate", long, **JSON)[0].status == 413


@pytest.mark.parametrize(
    "wrong",
    [
        {"scheme": 3},
        {"scheme": {"0.weight": 2}},
        {"scheme": {"0.weight": 0}},
        {"scheme": {"0.weight": "1"}},
        {"batch": 33},
        {"batch": True},
        {"precision": "float64"},
        {"optimizer": "__class__"},
        {"more": 1},
    ],
)
def test_forms_are_checked(server: Server, wrong: dict[str, object]) -> None:
    answer, text = ask(server, "POST", "/api/estimate", json.dumps({**LAST, **wrong}), **JSON)
    assert answer.status == 400, text
    assert json.loads(text)["error"]
    assert ask(server, "POST", "/api/estimate", "{", **JSON)[0].status == 400


def test_what_the_compiler_refuses_is_an_answer(server: Server) -> None:
    asked = {**LAST, "scheme": {"no.such": 1.0}}
    for question in ("estimate", "plan"):
        answer, text = ask(server, "POST", f"/api/{question}", json.dumps(asked), **JSON)
        assert answer.status == 200
        assert "no.such" in json.loads(text)["refused"]


def test_answers_are_kept(server: Server) -> None:
    first = server.service.answer("estimate", json.dumps(LAST).encode())
    assert server.service.answer("estimate", json.dumps(LAST).encode()) is first
