"""The Python client's reader against the app: the log in order, its place kept, the queue learnt from."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import httpx
import pytest

from tests.api.conftest import Client
from tests.api.trainers import ask, begin, ids, retract, send
from tests.clients.conftest import ROOT

from feedback_client import FeedbackReader, RequestFailed  # isort: skip

MakeKey = Callable[..., str]
PAGE = ROOT / "docs" / "how-to" / "train-from-the-queue.md"


@pytest.fixture(scope="module")
def key(make_key: MakeKey) -> str:
    """A key that sends and reads."""
    return make_key("ingest", "read", "review")


def transport(client: Client, broken: list[int] | None = None) -> httpx.MockTransport:
    """The app as the client reaches it; while `broken` holds a status, that is the answer instead."""

    def answer(request: httpx.Request) -> httpx.Response:
        if broken:
            return httpx.Response(broken.pop(), headers={"retry-after": "0"})
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        sent = client._http.request(request.method, str(request.url), headers=headers, content=request.content)
        told = client.run(sent)
        return httpx.Response(told.status_code, headers=told.headers, content=told.content)

    return httpx.MockTransport(answer)


@pytest.fixture
def reader(client: Client, key: str) -> Iterator[FeedbackReader]:
    """A reader of the app."""
    with FeedbackReader("http://app", key, transport=transport(client), give_up_after=5) as made:
        yield made


def test_the_log_is_read_in_order(client: Client, key: str, reader: FeedbackReader) -> None:
    """From a start to the end; with `follow`, on with what comes; through passing failures."""
    names = send(client, key, 3)
    end = client.get("/v1/log?from=latest", key).json()["head"]

    read = list(reader.read_log(f"offset:{end - 5}"))
    following = reader.read_log(f"offset:{end + 1}", kinds=["feedback"], follow=True)
    more = send(client, key, 1)

    assert [event.id for event in read if event.kind == "feedback"] == names
    assert read[1].body["feedback_value"] == {"label": 4}
    assert next(following).id == more[0]
    flaky = FeedbackReader("http://app", key, transport=transport(client, [503, 429, 500]), give_up_after=60)
    assert [event.offset for event in flaky.read_log(f"offset:{end}")][:1] == [end]
    flaky.close()


def test_a_place_is_kept_behind_what_was_done(client: Client, key: str, reader: FeedbackReader) -> None:
    """An event whose body raised is read again; at the end of a page everything in it is committed."""
    send(client, key, 2)
    start = f"offset:{client.get('/v1/log?from=latest', key).json()['head'] - 3}"

    with pytest.raises(RuntimeError):
        for n, _ in enumerate(events := reader.read_log(start, consumer="careful")):
            if n == 2:
                events.throw(RuntimeError("the body of the loop"))
    again = [event.offset for event in reader.read_log(consumer="careful")]

    assert len(again) == 2
    assert list(reader.read_log(consumer="careful")) == []


def test_an_example_is_acknowledged_once_it_was_learnt_from(
    client: Client, key: str, group: str, stream: Callable[[], int], reader: FeedbackReader
) -> None:
    """What the loop left goes back at once, and the one that was being learnt from with it."""
    begin(client, key, group)
    names = send(client, key, 5)
    stream()
    queue = reader.training_queue(group)

    examples = queue.examples(follow=False)
    first = [one.feedback_id for one in islice(examples, 3)]
    examples.close()
    rest = list(queue.examples(follow=False))

    assert first == names[:3]
    assert [one.feedback_id for one in rest] == names[2:]
    assert (rest[0].attempt, rest[0].label, rest[0].inputs) == (2, 4, {"n": names[2]})
    assert ids(ask(client, key, "claim", group=group)) == []
    queue.replay("last:1h")
    assert len(list(queue.batches(limit=3, follow=False))) >= 2


def test_who_holds_what_is_taken_back_hears_of_it(
    client: Client, key: str, group: str, stream: Callable[[], int], reader: FeedbackReader
) -> None:
    """At the acknowledgement."""
    begin(client, key, group)
    [name] = send(client, key, 1)
    stream()
    heard: list[str] = []

    for _ in reader.training_queue(group).examples(follow=False, on_withdrawn=heard.extend):
        retract(client, key, name)
        stream()

    assert heard == [name]


def test_what_does_not_pass_is_raised(client: Client, reader: FeedbackReader) -> None:
    """A start that is none, a key that is none; what passes is given up after its time."""
    with pytest.raises(RequestFailed) as told:
        list(reader.read_log("soon"))
    assert told.value.problem.code == "validation-failed" and told.value.problem.errors[0].pointer == "/from"
    with FeedbackReader("http://app", "fk_x", transport=transport(client)) as nobody, pytest.raises(RequestFailed):
        list(nobody.read_log())
    away = transport(client, [503] * 50)
    with FeedbackReader("http://app", "fk_x", transport=away, give_up_after=0.1) as late, pytest.raises(RequestFailed):
        list(late.read_log())


def test_the_page_teaches_a_model(
    client: Client, key: str, stream: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code of the how-to runs as it stands, and what it learnt it can say."""
    import feedback_client

    words = {"refund": ["money back", "refund please", "charged twice"], "delivery": ["parcel late", "where is it"]}
    for n, (label, subject) in enumerate((label, one) for label, many in words.items() for one in many * 8):
        name = {"inference_request_id": f"ticket-{n}", "model_name": "tickets", "model_version": "7"}
        client.post(
            "/v1/inferences", key,
            {**name, "inputs": {"subject": subject}, "outputs": [{"output_id": "A", "content": {"label": "other"}}]},
        )  # fmt: skip
        client.post(
            "/v1/feedback", key,
            {**name, "feedback_type": "explicit_correction", "feedback_value": {"corrected_label": label}},
        )  # fmt: skip
    stream()
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    monkeypatch.setattr(feedback_client, "FeedbackReader", partial(FeedbackReader, transport=transport(client)))
    monkeypatch.setenv("FEEDBACK_URL", "http://app")
    monkeypatch.setenv("FEEDBACK_KEY", key)

    known: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), known)

    assert list(known["model"].predict(known["words"].transform(["money back", "parcel late"]))) == [
        "refund",
        "delivery",
    ]
    assert ids(ask(client, key, "claim", group="tickets-online")) == []
