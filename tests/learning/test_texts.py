"""The language and the length of a text."""

import pytest

from feedback_loop.learning.texts import language_of, length_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The answer is wrong, please correct it.", "en"),
        ("Das ist ein kurzer deutscher Satz.", "de"),
        ("Ceci n'est pas une pipe mais une phrase.", "fr"),
        ("ok thanks", None),
        ("12345 6789 1234 3333 2222 1111", None),
    ],
)
def test_a_language_is_told_where_it_is_sure(text, language):
    """Whole sentences are; a few words and numbers are not."""
    assert language_of(text) == language


def test_a_length_is_a_word():
    """So that answers of alike length are one slice."""
    assert [length_of(n) for n in (3, 40, 999, 5_000)] == [
        "below 40 characters", "40 to 199", "200 to 999", "1,000 and above",
    ]  # fmt: skip
