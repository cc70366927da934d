"""Review reasons, one a file: what makes an answer worth a person's look, measured from what is known of it."""

from feedback_loop.learning.review_reasons._base import Item, ReviewReason, collect

__all__ = ["Item", "ReviewReason", "collect"]
