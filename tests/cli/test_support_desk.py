"""The support desk: tickets that can mostly be sorted, a drift of words, people who prefer the better answer."""

from random import Random
from statistics import mean

from examples.support_desk.app import inputs_of
from examples.support_desk.corpus import LATER, TOPICS, prefers_first, reply, ticket, words_of
from examples.support_desk.people import Answered, said_about


def test_the_drift_is_one_of_words() -> None:
    """The same topics before and after; of the words of a later ticket more than one was never read before."""
    chance = Random(0)
    before, after = ([ticket(chance, is_later) for _ in range(600)] for is_later in (False, True))

    known = {word for each in before for word in words_of(each.text)}
    new = [sum(word not in known for word in words_of(each.text)) for each in after]

    assert set(TOPICS) == set(LATER) == {each.topic for each in before} == {each.topic for each in after}
    assert mean(new) > 1.5


def test_the_better_answer_is_preferred_and_length_says_little() -> None:
    """Customers are mostly right about what an answer is worth, never always; the longer one is it far less often."""
    chance = Random(1)
    right = longer = 0
    for _ in range(2_000):
        first, second = (reply(chance, "refund", "refund", is_careful) for is_careful in (True, False))
        is_first = prefers_first(chance, first, second)
        right += is_first == (first.worth >= second.worth)
        longer += is_first == (len(first.text) > len(second.text))

    assert 0.75 < right / 2_000 < 0.98
    assert longer / 2_000 < right / 2_000 - 0.1


def test_people_say_what_is_true_of_an_answer() -> None:
    """A ticket sorted wrongly is moved to its own topic, a bad answer is reworded, two answers are compared."""
    chance = Random(2)
    said = []
    for n in range(600):
        asked = ticket(chance)
        replies = [reply(chance, "refund", asked.topic, is_careful) for is_careful in (True, False)]
        said += [(asked, post) for post in said_about(Answered(f"r{n}", "m", "v", asked, "refund", replies), chance)]
    values = [(asked, post.body["feedback_value"]) for asked, post in said]

    moved = [(asked.topic, value["corrected_label"]) for asked, value in values if "corrected_label" in value]
    assert len(moved) > 50 and all(topic == label != "refund" for topic, label in moved)
    assert sum("corrected_text" in value for _, value in values) > 20
    assert sum("preferred_output_id" in value for _, value in values) == 600


def test_the_same_seed_gives_the_same_desk() -> None:
    """All chance is passed in, and what the model reads follows from the text."""
    tickets = [[ticket(chance) for _ in range(50)] for chance in (Random(5), Random(5))]

    assert tickets[0] == tickets[1]
    assert inputs_of("My Lamp, my lamps")["words"] == {"my": 2, "lamp": 1, "lamps": 1}
