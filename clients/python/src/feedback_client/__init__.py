"""Sends feedback about a model's answers to a Feedback Loop server: queued, spooled, retried, never lost silently."""

from feedback_client._aclient import AsyncFeedbackClient
from feedback_client._client import FeedbackClient
from feedback_client._identity import new_id
from feedback_client._options import Settings
from feedback_client._records import Example, LogEvent, Transition
from feedback_client._reporting import Stats
from feedback_client._version import __version__
from feedback_client._vocabulary import Vocabulary, build
from feedback_client.errors import (
    Blocked,
    ClientClosed,
    ConfigurationError,
    Conflict,
    FeedbackError,
    FieldError,
    InvalidEvent,
    NotDelivered,
    NotStored,
    Problem,
    QueueFull,
    Receipt,
    Refused,
    RequestFailed,
    SpoolFailed,
)
from feedback_client.reading import FeedbackReader, TrainingQueue
from feedback_client.shapes import (
    Consent,
    Envelope,
    ExposedItem,
    FeedbackEvent,
    InferenceDetails,
    Label,
    Output,
    Source,
    Target,
    UserContext,
)

__all__ = [
    "AsyncFeedbackClient",
    "Blocked",
    "ClientClosed",
    "ConfigurationError",
    "Conflict",
    "Consent",
    "Envelope",
    "Example",
    "ExposedItem",
    "FeedbackClient",
    "FeedbackError",
    "FeedbackEvent",
    "FeedbackReader",
    "FieldError",
    "InferenceDetails",
    "InvalidEvent",
    "Label",
    "LogEvent",
    "NotDelivered",
    "NotStored",
    "Output",
    "Problem",
    "QueueFull",
    "Receipt",
    "Refused",
    "RequestFailed",
    "Settings",
    "Source",
    "SpoolFailed",
    "Stats",
    "Target",
    "TrainingQueue",
    "Transition",
    "UserContext",
    "Vocabulary",
    "__version__",
    "build",
    "new_id",
]
