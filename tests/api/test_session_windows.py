"""Session windows over HTTP: each user session by itself, whatever comes late or is taken back."""

from typing import Any

from feedback_ingest.postgres import Database
from tests.api.conftest import Client
from tests.api.test_aggregates import MakeKey, Told, at


def test_each_session_has_windows_of_its_own(client: Client, make_key: MakeKey, database: Database) -> None:
    """One that a pause parts is two; what comes late joins them, what is taken back parts them, nobody else's moves."""
    told = Told(client, make_key("ingest", "read"), database)
    thumbs = {"positive": True}
    about = told.answer(0)

    def say(session: str, second: int) -> str:
        return told.say(about, "explicit_binary", thumbs, second, user_context={"session_id": session, "user_id": "u"})

    def sessions(session: str) -> dict[str, Any]:
        query = {"metric": "satisfaction", "window": "session", "gap_s": 60, "session_id": session}
        found = told.ask(**query)["series"]
        return {one["session_id"]: [(w["start"], w["end"], w["samples"]) for w in one["windows"]] for one in found}

    say("s-1", 0), say("s-1", 120), say("s-2", 65)
    told.say(about, "explicit_binary", thumbs, 60)
    told.settle()
    apart = sessions("*")
    late = say("s-1", 65)
    told.settle()
    joined = sessions("s-1")
    told.say(about, "retraction", {"retracts": late}, 300, user_context={"user_id": "u"})
    told.settle()

    other = [(at(60), at(70), 1)]
    assert apart == {"s-1": [(at(0), at(10), 1), (at(120), at(130), 1)], "s-2": other}
    assert joined == {"s-1": [(at(0), at(130), 3)]}
    assert sessions("*") == apart
