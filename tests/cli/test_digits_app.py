"""The digits app's honest parts: disjoint images, a drift that hurts, users who behave as the demo says."""

from collections import Counter
from typing import Any, cast

import numpy as np

from examples.digits_app import images
from examples.digits_app.app import DigitsApp
from examples.digits_app.users import Answer, feedback_on
from examples.outbox import durable_ms
from examples.serving_app import Plan, Post


def answers(wrong_share: float, count: int = 4000) -> list[Answer]:
    """Answers of which a share is wrong."""
    wrong = int(count * wrong_share)
    return [Answer(f"scan-{n}", "digits", "digits-0001", "3" if n < wrong else "7", "7") for n in range(count)]


def posts_on(given: list[Answer]) -> list[Post]:
    """All that the users post about them."""
    random = np.random.default_rng(7)
    return [post for answer in given for post in feedback_on(answer, random)]


def is_spam(post: Post) -> bool:
    """A word where a digit belongs."""
    return post.body["feedback_value"].get("corrected_label") == "banana"


def test_no_image_is_in_two_parts() -> None:
    """1,797 images, each in exactly one part; scikit-learn's set itself holds no image twice."""
    split = images.split()
    parts = [split.first_training, split.before_drift, split.after_drift, split.unseen]

    distinct = {tuple(row) for part in parts for row in part.pixels}

    assert sum(len(part) for part in parts) == len(distinct) == 1797


def test_the_other_scanner_keeps_the_image_and_moves_the_pixels() -> None:
    """Half the contrast on a lifted black level: still 0 to 16, still in the order of the ink."""
    ink = np.array([[0.0, 4.0, 8.0, 16.0] * 16] * 50)
    random = np.random.default_rng(0)

    scanned = images.scan_with_other_scanner(ink, random)

    assert scanned.min() >= 8
    assert scanned.max() <= 16
    assert np.allclose(scanned.mean(axis=0)[:4], [8.1, 10.0, 12.0, 15.9], atol=0.3)


def test_scanning_again_gives_other_pixels() -> None:
    """A repeated image is a new scan, and the seed repeats it."""
    image = images.split().unseen.pixels[:1]
    random = np.random.default_rng(0)

    first, second = images.scan(image, random), images.scan(image, random)
    repeated = images.scan(image, np.random.default_rng(0))

    assert not np.array_equal(first, second)
    assert np.array_equal(first, repeated)


def test_half_of_the_answers_get_their_truth_later() -> None:
    """Ground truth comes for about half of the answers, a second or more later, and tells what the image shows."""
    truths = [post for post in posts_on(answers(0.0)) if post.body["feedback_type"] == "ground_truth"]

    assert 0.47 < len(truths) / 4000 < 0.53
    assert all(post.after_s >= 1.0 and post.body["feedback_value"] == {"label": "7"} for post in truths)


def test_people_correct_mostly_what_is_wrong() -> None:
    """Corrections follow wrong answers, and tell the truth there."""
    corrections = {
        share: [
            post
            for post in posts_on(answers(share))
            if post.body["feedback_type"] == "explicit_correction" and not is_spam(post)
        ]
        for share in (0.0, 1.0)
    }

    assert len(corrections[0.0]) < 40
    assert len(corrections[1.0]) > 1600
    assert {post.body["feedback_value"]["corrected_label"] for post in corrections[1.0]} == {"7"}


def test_some_spam_some_duplicates_some_conflicts_some_invalid() -> None:
    """Every trouble the demo speaks of happens, and all of it is little."""
    posts = posts_on(answers(0.05))

    again = Counter(post.again for post in posts)
    spam = sum(is_spam(post) for post in posts)
    invalid = sum(post.body["feedback_value"].get("positive") == "yes" for post in posts)

    for count in (again["same"], again["other"], spam, invalid):
        assert 5 < count < len(posts) * 0.05


def test_the_same_seed_gives_the_same_users() -> None:
    """All chance comes from the generator that is passed in."""
    assert posts_on(answers(0.1, 500)) == posts_on(answers(0.1, 500))


def test_the_servers_own_time_is_read_from_the_header() -> None:
    """Server-Timing tells the milliseconds from receipt to commit; its absence is None, not 0."""
    assert durable_ms("durable;dur=1.8") == 1.8
    assert durable_ms("") is None


def test_a_champion_may_come_while_the_app_measures() -> None:
    """The versions known when it began are measured; the new one does not end the measuring."""
    plan, nothing = Plan("digits", 50.0, 0, None), cast(Any, None)
    app = DigitsApp(plan, nothing, nothing, lambda message: None)

    class Champion:
        def predict(self, inputs: list[Any]) -> list[tuple[str, dict[str, float]]]:
            app.models[f"digits-{len(app.models) + 1:04d}"] = self
            return [("7", {"7": 1.0})] * len(inputs)

    app.models["digits-0001"] = Champion()

    assert set(app.measure()) == {"digits-0001"}
