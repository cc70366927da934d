"""What the stream does with each micro-batch, one consumer a file; attribution first, the others follow its changes."""

from feedback_loop.stream.consumers._base import Batch, Bucket, Change, Consumer, Event, Movement, collect

__all__ = ["Batch", "Bucket", "Change", "Consumer", "Event", "Movement", "collect"]
