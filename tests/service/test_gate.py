"""Who may come in, and how much they may bring; what the log tells."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from palette.errors import DefinitionError
from palette.service.app import Service
from palette.service.logs import JsonLines
from palette.service.settings import Settings, name_bundles, read_tokens
from tests.service.asked import BODY, Asked, saved, with_changes
from tests.serving.test_plan import order

SCORE = "/v1/models/eta/score"
TOKEN, OTHER = "a-token-of-sixteen-signs", "another-token-of-ours"


@pytest.fixture
def settings(tmp_path):
    return saved(tmp_path)


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer wrong-token-of-sixteen", f"Basic {TOKEN}", TOKEN, "\xff"])
@pytest.mark.parametrize("path", [SCORE, "/v1/models", "/metrics", "/openapi.json", "/nowhere"])
def test_without_a_token_nothing_is_told(settings, header, path):
    headers = {} if header is None else {"authorization": header.encode("latin-1")}
    answer = Asked(settings, (TOKEN,)).post(path, BODY, headers=headers)
    assert (answer.status_code, answer.json()["kind"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_each_token_lets_in_and_health_is_open(settings):
    asked = Asked(settings, (TOKEN, OTHER))
    for token in (TOKEN, OTHER):
        assert asked.post(SCORE, BODY, headers={"authorization": f"bearer {token}"}).status_code == 200
    assert asked.get("/healthz").status_code == asked.get("/readyz").status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com"])
def test_without_a_token_only_loopback_is_served(settings, host):
    with pytest.raises(DefinitionError, match="there is no token: set PALETTE_TOKENS"):
        Service(with_changes(settings, host=host), ())
    Service(with_changes(settings, host=host), (TOKEN,))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_no_token(settings, host):
    with_changes(settings, host=host).check_open(())


def test_tokens_come_from_the_variable_and_a_file(monkeypatch, tmp_path):
    monkeypatch.setenv("PALETTE_TOKENS", f"{TOKEN}, {OTHER}")
    file = tmp_path / "tokens"
    file.write_text(f"# mine\n{TOKEN}\n\nthe-third-token-of-ours\n")
    assert read_tokens(str(file)) == (TOKEN, OTHER, "the-third-token-of-ours")
    monkeypatch.delenv("PALETTE_TOKENS")
    assert read_tokens() == ()
    file.write_text("\n# none\n")
    with pytest.raises(DefinitionError, match="contains no token"):
        read_tokens(str(file))
    with pytest.raises(DefinitionError, match="cannot be read"):
        read_tokens(str(tmp_path / "nowhere"))
    file.write_text("short\n")
    with pytest.raises(DefinitionError, match=r"token 1 is too short.*secrets\.token_urlsafe") as caught:
        read_tokens(str(file))
    assert "short'" not in str(caught.value)


def test_a_body_beyond_the_bound_is_refused(settings):
    asked = Asked(with_changes(settings, max_body=200))
    for path in (SCORE, "/v1/models/unknown/score", "/v1/models/eta:load"):
        answer = asked.post(path, content=b"x" * 201)
        assert (answer.status_code, answer.json()["kind"]) == (413, "too_large")
    assert asked.post(SCORE, BODY).status_code == 200

    async def forever():
        while True:
            yield b"x" * 50

    assert asked.post(SCORE, content=forever()).status_code == 413


def raw(service, messages):
    """Ask with given messages; return the answer's status and body."""
    sent = []

    async def ask():
        coming = iter(messages)

        async def receive():
            message = next(coming, None)
            if message is None:
                await asyncio.sleep(60)
            return message

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": SCORE, "headers": []}
        await service(scope, receive, send)

    asyncio.run(ask())
    return (sent[0]["status"], json.loads(sent[1]["body"])) if sent else None


def test_a_body_that_does_not_come_is_408(settings):
    service = Asked(with_changes(settings, body_seconds=0.05)).service
    part = {"type": "http.request", "body": b"{", "more_body": True}
    for messages in ([], [part]):
        status, body = raw(service, messages)
        assert (status, body["kind"]) == (408, "too_slow")


def test_a_body_in_pieces_and_a_client_that_goes(settings):
    service = Asked(settings).service
    content = json.dumps(BODY).encode()
    parts = [{"type": "http.request", "body": content[at : at + 9], "more_body": True} for at in range(0, 900, 9)]
    assert raw(service, [*parts, {"type": "http.request", "body": b""}])[1]["result"]["a"] == 1.5
    gone = {"type": "http.disconnect"}
    assert raw(service, [gone]) is None
    assert raw(service, [parts[0], gone]) is None


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/nowhere", 404, "/openapi.json lists all routes"),
        ("GET", SCORE, 405, "no route for GET"),
        ("POST", "/v1/models/eat/score", 404, "no model 'eat'; did you mean 'eta'? (models: eta)"),
        ("POST", "/v1/models/eat/features", 404, "did you mean 'eta'"),
        ("GET", "/v1/models/eat", 404, "did you mean 'eta'"),
        ("POST", "/v1/models/" + "x" * 5000 + "/score", 404, "no model 'xxx"),
    ],
)
def test_what_nothing_answers(settings, method, path, status, message):
    answer = Asked(settings)(method, path)
    assert answer.status_code == status
    assert message in answer.json()["error"]
    assert len(answer.content) < 500


def test_the_log_is_json_and_holds_no_values(settings, caplog):
    asked = Asked(with_changes(settings, access_log=True))
    with caplog.at_level(logging.INFO, "palette"):
        asked.post(SCORE, {"row": order(r_id="secret", city="hidden")})
        asked.post(SCORE, {"row": order(r_id="secret", city=987654)})
        asked.post("/v1/models/eat/score", {"row": {"r_id": "secret"}})
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records]
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["status"], line["model"]) for line in requests] == [(200, "eta"), (422, "eta"), (404, None)]
    text = json.dumps(lines)
    assert not any(value in text for value in ("secret", "hidden", "987654"))
    try:
        raise ValueError("a secret")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", (), (type(error), error, error.__traceback__))
    line = json.loads(JsonLines().format(record))
    assert line["error"] == "ValueError"
    assert "test_gate.py" in line["trace"][0]
    assert "secret" not in json.dumps(line)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bundles": ()}, "no bundle to serve"),
        ({"bundles": (("a b", "x"),)}, "cannot name a model.*--name"),
        ({"bundles": (("a", "x"), ("a", "y"))}, "two bundles are called 'a'"),
        ({"budget": 0}, "--budget: must be above 0"),
        ({"max_rows": 0}, "--max-rows"),
    ],
)
def test_settings_that_cannot_be(settings, change, message):
    with pytest.raises(DefinitionError, match=message):
        with_changes(settings, **change)


def test_names_of_bundles():
    assert name_bundles(["/m/eta/", "/m/b"], ["x"]) == (("x", "/m/eta/"), ("b", "/m/b"))
    with pytest.raises(DefinitionError, match="2 --name options for 1"):
        name_bundles(["a"], ["b", "c"])
    with pytest.raises(DefinitionError, match="no bundle"):
        Settings(())
