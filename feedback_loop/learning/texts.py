"""What a text is, whatever it says: its language and its length, quick enough to be told of every event."""

from functools import lru_cache

LEAST_CHARACTERS = 20
LOOKED_AT = 128
"""So many characters tell the language; more cost more and say the same."""
RENAMED = {"iw": "he", "jw": "jv"}
"""Languages that the library still calls by names which ISO 639-1 gave up."""
LENGTHS = ((40, "below 40 characters"), (200, "40 to 199"), (1_000, "200 to 999"))


def language_of(text: str) -> str | None:
    """The language as ISO 639-1 names it; None where the text is too short, or the library is not sure."""
    return None if len(text) < LEAST_CHARACTERS else _language_of(text[:LOOKED_AT])


def length_of(characters: int) -> str:
    """How long a text of so many characters is, in words."""
    return next((word for limit, word in LENGTHS if characters < limit), "1,000 and above")


@lru_cache(4_096)
def _language_of(text: str) -> str | None:
    """Texts repeat: templates, greetings, one answer to many."""
    import pycld2

    try:
        is_sure, _, found = pycld2.detect(text)
    except (pycld2.error, UnicodeEncodeError):
        # It refuses control characters and halves of pairs, which say nothing of the language.
        is_sure, _, found = pycld2.detect("".join(each if each.isprintable() else " " for each in text))
    name = found[0][1].partition("-")[0]
    return RENAMED.get(name, name) if is_sure and len(name) == 2 and name != "un" else None
