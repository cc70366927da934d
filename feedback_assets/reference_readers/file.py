"""Files of this machine, under the folders of FEEDBACK_REF_ROOTS only; no link is followed below them."""

import errno
import os
import stat
from pathlib import PurePosixPath
from typing import ClassVar
from urllib.parse import unquote

from feedback_assets.reference_readers._base import Reader, ReferencesAway, places, steps
from feedback_ingest.errors import SetupError
from feedback_ingest.settings import Settings
from feedback_loop.learning.references import ReferenceUnusable

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
BELOW = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
REASONS = {errno.ENOENT: "missing", errno.EACCES: "unreadable", errno.EPERM: "unreadable"}


class FileReader(Reader):
    """`file:///absolute/path`, percent-encoded as in RFC 8089.

    Each folder below the root is opened from the one before, so nothing that is moved or linked meanwhile leads out.
    """

    name: ClassVar[str] = "file"

    def __init__(self, settings: Settings, project: str) -> None:
        self._roots = [PurePosixPath(place) for place in places(settings.ref_roots, project)]
        if not all(root.is_absolute() and ".." not in root.parts for root in self._roots):
            raise SetupError("FEEDBACK_REF_ROOTS takes absolute paths, separated by commas")

    def read(self, address: str, limit: int) -> bytes:
        """The file's bytes."""
        host, _, rest = address.partition("/")
        names = steps(unquote(rest))
        if host not in ("", "localhost") or names is None:
            raise ReferenceUnusable("not-allowed")
        path = PurePosixPath("/", *names)
        root = next((root for root in self._roots if path != root and path.is_relative_to(root)), None)
        if root is None:
            raise ReferenceUnusable("not-allowed")
        return _read_below(root, path.relative_to(root).parts, limit)


def _read_below(root: PurePosixPath, names: tuple[str, ...], limit: int) -> bytes:
    try:
        folder = os.open(root, FOLDER)
    except OSError as error:
        raise ReferencesAway(f"{root} of FEEDBACK_REF_ROOTS cannot be opened: {error.strerror}") from error
    try:
        for name in names[:-1]:
            inner = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        with os.fdopen(os.open(names[-1], BELOW, dir_fd=folder), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ReferenceUnusable("not-allowed")
            found = file.read(limit + 1)
    except OSError as error:  # ELOOP and ENOTDIR: a link
        raise ReferenceUnusable(REASONS.get(error.errno or 0, "not-allowed")) from error
    finally:
        os.close(folder)
    if len(found) > limit:
        raise ReferenceUnusable("too-large")
    return found
