"""The serving side of the shelf: follows a model's champion over HTTP and loads its artifact when it moves."""

from collections.abc import Callable
from typing import Any

import httpx

from feedback_loop.registry.shelf import read_artifact


class ServedModel:
    """The champion of `model_name` as an app serves it; `load` turns artifact bytes into a model.

    `version` is empty until the first refresh; `model` is None for a champion that was registered without an artifact.
    `shadow` is a model whose answers are logged beside the champion's and given to nobody, of `shadow_version`.
    """

    def __init__(self, url: str, key: str, model_name: str, load: Callable[[bytes], Any]) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=5.0, trust_env=False)
        self._model_name = model_name
        self._load = load
        self.version = ""
        self.model: Any = None
        self.shadow_version = ""
        self.shadow: Any = None

    def refresh(self, wait_ms: int = 0) -> bool:
        """Asks which version is champion; True when another one is served from now on.

        With `wait_ms` it returns as soon as another one is, and at latest after so many milliseconds. An API that is
        away for a moment changes nothing: the last champion goes on serving. Raises ArtifactMismatch.
        """
        try:
            asked = {"version": self.version, "wait_ms": str(wait_ms)} if self.version else {}
            response = self._http.get(f"/v1/models/{self._model_name}", params=asked, timeout=5.0 + wait_ms / 1000)
        except httpx.TransportError:
            return False
        if response.status_code != 200:
            return False
        champion = response.json()
        has_moved = champion["model_version"] != self.version
        if has_moved:
            uri = champion.get("artifact_uri")
            self.model = self._load(read_artifact(uri, champion["artifact_sha256"])) if uri else None
            self.version = champion["model_version"]
        self._follow_shadow(champion.get("shadow"))
        return has_moved

    def _follow_shadow(self, told: dict[str, Any] | None) -> None:
        if told is None or not told.get("artifact_uri"):
            self.shadow_version, self.shadow = "", None
        elif told["model_version"] != self.shadow_version:
            self.shadow = self._load(read_artifact(told["artifact_uri"], told["artifact_sha256"]))
            self.shadow_version = told["model_version"]

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()
