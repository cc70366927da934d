"""What a text is, whatever it says: its language and its length. Too slow for the stream; the graph asks it."""

from functools import cache
from typing import Any

LEAST_CHARACTERS = 20
LEAST_SURE = 0.9
NO_LANGUAGE = "zxx"
LENGTHS = ((40, "below 40 characters"), (200, "40 to 199"), (1_000, "200 to 999"))


def language_of(text: str) -> str | None:
    """The language as ISO 639-1 names it; None where the text is too short, or the library is not sure."""
    if len(text) < LEAST_CHARACTERS:
        return None
    language, chance = _identifier().classify(text)
    return language if chance >= LEAST_SURE and language != NO_LANGUAGE else None


def length_of(text: str) -> str:
    """How long a text is, in words."""
    return next((word for limit, word in LENGTHS if len(text) < limit), "1,000 and above")


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
