"""Objects of S3, or of what speaks like it, in the buckets of FEEDBACK_REF_BUCKETS only."""

from functools import cached_property
from threading import Lock
from typing import Any, ClassVar
from urllib.parse import urlsplit

from feedback_assets.reference_readers._base import Reader, ReferencesAway, places, steps
from feedback_ingest.settings import Settings
from feedback_loop.learning.references import ReferenceUnusable

CONNECT_S, REQUEST_S, ATTEMPTS = 5, 30, 4


class S3Reader(Reader):
    """`s3://bucket/key`, the key as it is; credentials come from where the AWS tools look for them.

    An allowed place is a bucket, or a bucket with the beginning of a key up to a slash.
    """

    name: ClassVar[str] = "s3"

    def __init__(self, settings: Settings, project: str) -> None:
        self._places = [place.rstrip("/") + "/" for place in places(settings.ref_buckets, project)]
        self._endpoint = settings.ref_s3_endpoint
        self._region = settings.ref_s3_region
        self._lock = Lock()

    @cached_property
    def _store(self) -> Any:
        from pyarrow import fs

        endpoint = urlsplit(self._endpoint or "")
        return fs.S3FileSystem(
            region=self._region,
            endpoint_override=endpoint.netloc or None,
            scheme=endpoint.scheme or None,
            connect_timeout=CONNECT_S,
            request_timeout=REQUEST_S,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        )

    def read(self, address: str, limit: int) -> bytes:
        """The object's bytes."""
        if steps(address) is None or not any(address.startswith(place) for place in self._places):
            raise ReferenceUnusable("not-allowed")
        with self._lock:
            store = self._store
        try:
            with store.open_input_stream(address) as stream:
                found = bytes(stream.read(limit + 1))
        except FileNotFoundError as error:
            raise ReferenceUnusable("missing") from error
        except OSError as error:
            if "ACCESS_DENIED" in str(error):
                raise ReferenceUnusable("unreadable") from error
            raise ReferencesAway() from error
        if len(found) > limit:
            raise ReferenceUnusable("too-large")
        return found
