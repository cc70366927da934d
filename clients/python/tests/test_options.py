"""A wrong setting is said when the client is made, and a key is never shown."""

from typing import Any

import httpx
import pytest
from feedback_client import AsyncFeedbackClient, ConfigurationError, FeedbackClient
from feedback_client._options import options

GOOD: dict[str, Any] = {"url": "http://localhost:8000", "key": "fk_test"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"url": "localhost:8000"}, "url must be"),
        ({"url": "ftp://x"}, "url must be"),
        ({"url": "http://user:secret@x"}, "url takes no user"),
        ({"key": "two words"}, "key must be"),
        ({"key": "schlüssel"}, "key must be"),
        ({"key": "a\nb"}, "key must be"),
        ({"batch_events": 1_001}, "batch_events"),
        ({"batch_bytes": 5_000_000}, "batch_bytes"),
        ({"max_event_bytes": 5_000_000}, "max_event_bytes"),
        ({"queue_events": 0}, "queue_events"),
        ({"when_full": "forget"}, "when_full"),
        ({"when_full": "drop"}, "needs on_dropped"),
        ({"spool_fsync": "maybe"}, "spool_fsync"),
        ({"spool_bytes": 1_000}, "spool_bytes"),
        ({"timeout": 0}, "timeout"),
        ({"linger": -1}, "negative"),
        ({"transport": object()}, "transport"),
    ],
)
def test_a_wrong_setting_is_said_at_once(change: dict[str, Any], why: str) -> None:
    """The message names the argument."""
    for kind in (FeedbackClient, AsyncFeedbackClient):
        with pytest.raises(ConfigurationError, match=why):
            kind(**{**GOOD, **change})


def test_an_unknown_setting_is_no_setting() -> None:
    """A misspelt name is a TypeError."""
    with pytest.raises(TypeError):
        FeedbackClient(**{**GOOD, "bach_events": 1})


def test_address_and_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """FEEDBACK_URL and FEEDBACK_KEY are used where nothing is given, and named where both are missing."""
    with pytest.raises(ConfigurationError, match="FEEDBACK_URL"):
        options(None, None, {})
    monkeypatch.setenv("FEEDBACK_URL", "http://elsewhere:1/base/")
    with pytest.raises(ConfigurationError, match="FEEDBACK_KEY"):
        options(None, None, {})
    monkeypatch.setenv("FEEDBACK_KEY", "fk_environment\n")

    told = options(None, None, {})

    assert (told.url, told.key) == ("http://elsewhere:1/base", "fk_environment")
    assert options("http://given", "fk_given", {}).url == "http://given"


def test_a_key_is_never_shown() -> None:
    """Neither the client's nor the options' text holds it."""
    with FeedbackClient("http://localhost:8000", "fk_secret") as client:
        shown = repr(client) + repr(client._options)

    assert "fk_secret" not in shown


def test_the_key_goes_to_the_address_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies of the environment are not used unless asked for, and a redirect is not followed."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(307, headers={"location": "https://elsewhere.example/v1/feedback"})

    with (
        FeedbackClient(
            "http://here.example/base", "fk_test", model_version="1", transport=httpx.MockTransport(answer)
        ) as client,
        pytest.raises(Exception, match="http-307"),
    ):
        client.now.rating("req-1", 3)
    with (
        FeedbackClient("http://here.example", "fk_test") as plain,
        FeedbackClient("http://here.example", "fk_test", trust_env=True) as trusting,
    ):
        proxies = [len(made._poster._client()._mounts) for made in (plain, trusting)]

    assert [str(request.url) for request in asked] == ["http://here.example/base/v1/feedback"]
    assert asked[0].headers["authorization"] == "Bearer fk_test"
    assert proxies[0] == 0 < proxies[1]
