"""The users: given one answer, which feedback posts follow and when; pure, all chance comes from `random`."""

from dataclasses import dataclass

import numpy as np

from examples.serving_app import Given, Post, post_about

TRUTH_SHARE = 0.5
TRUTH_DELAY_S = 1.0
CORRECTS_WRONG, CORRECTS_RIGHT = 0.45, 0.004
THUMBS_SHARE, THUMBS_HONEST = 0.15, 0.95
SPAM_SHARE, INVALID_SHARE = 0.015, 0.008
SENT_TWICE, SENT_CHANGED = 0.02, 0.006
USERS = 400
SPAMMERS = ("user-417", "user-433")


@dataclass(frozen=True)
class Answer(Given):
    """What the app answered for one image, and what the image really shows."""

    label: str
    truth: str


def feedback_on(answer: Answer, random: np.random.Generator) -> list[Post]:
    """What the users say about one answer: often nothing, mostly honest, sometimes nonsense."""
    posts = [*_truth(answer, random), *_correction(answer, random), *_thumb(answer, random)]
    posts += [*_spam(answer, random), *_invalid(answer, random)]
    return [_maybe_again(post, random) for post in posts]


def _user(random: np.random.Generator) -> str:
    return f"user-{random.integers(USERS):03d}"


def _truth(answer: Answer, random: np.random.Generator) -> list[Post]:
    """The archive knows half of the numbers a second later."""
    if random.random() >= TRUTH_SHARE:
        return []
    delay_s = TRUTH_DELAY_S + float(random.exponential(0.3))
    return [post_about(answer, delay_s, "ground_truth", {"label": answer.truth}, None)]


def _correction(answer: Answer, random: np.random.Generator) -> list[Post]:
    is_wrong = answer.label != answer.truth
    if random.random() >= (CORRECTS_WRONG if is_wrong else CORRECTS_RIGHT):
        return []
    label = answer.truth if is_wrong else str((int(answer.truth) + 1) % 10)
    delay_s = 0.4 + float(random.exponential(0.8))
    return [post_about(answer, delay_s, "explicit_correction", {"corrected_label": label}, _user(random))]


def _thumb(answer: Answer, random: np.random.Generator) -> list[Post]:
    if random.random() >= THUMBS_SHARE:
        return []
    is_honest = random.random() < THUMBS_HONEST
    positive = (answer.label == answer.truth) == is_honest
    delay_s = 0.2 + float(random.exponential(0.5))
    return [post_about(answer, delay_s, "explicit_binary", {"positive": bool(positive)}, _user(random))]


def _spam(answer: Answer, random: np.random.Generator) -> list[Post]:
    """Well-formed nonsense the door must take: a word as the digit, or one user voting four times."""
    if random.random() >= SPAM_SHARE:
        return []
    user = SPAMMERS[int(random.integers(len(SPAMMERS)))]
    if random.random() < 0.5:
        return [post_about(answer, 0.3, "explicit_correction", {"corrected_label": "banana"}, user)]
    return [post_about(answer, 0.3 + n / 10, "explicit_binary", {"positive": False}, user) for n in range(4)]


def _invalid(answer: Answer, random: np.random.Generator) -> list[Post]:
    """What a broken client sends: the door refuses it and keeps it in the quarantine."""
    if random.random() >= INVALID_SHARE:
        return []
    return [post_about(answer, 0.5, "explicit_binary", {"positive": "yes"}, _user(random))]


def _maybe_again(post: Post, random: np.random.Generator) -> Post:
    chance = random.random()
    if chance < SENT_TWICE:
        return Post(post.after_s, post.body, "same")
    return Post(post.after_s, post.body, "other") if chance < SENT_TWICE + SENT_CHANGED else post
