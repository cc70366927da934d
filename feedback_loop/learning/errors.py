"""What can go wrong in learning, in the one tree of errors."""

from feedback_ingest.errors import FeedbackError


class UnreadableRow(FeedbackError):
    """A row of the log is not what its kind promises; it was written by another version or a type that is gone."""

    code = "unreadable-row"


class TooLittleToLearn(FeedbackError):
    """A model cannot be trained on these rows: it takes at least ten, with at least two different labels."""

    code = "too-little-to-learn"


class ArtifactMismatch(FeedbackError):
    """The bytes are not the model they are said to be; nothing was loaded from them."""

    code = "artifact-mismatch"
