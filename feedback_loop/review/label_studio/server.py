"""Label Studio's own API, as far as the connector needs it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx
import orjson

from feedback_ingest.errors import FeedbackError, SetupError
from feedback_ingest.settings import Settings

TIMEOUT_S = 60.0
PAGE = 100
HEADER = "X-Feedback-Secret"
HEARD = ("ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED")


class LabelStudioAway(FeedbackError):
    """Label Studio does not answer, or not as it should; nothing is lost, the next exchange goes on from here."""

    code = "label-studio-away"


class LabelStudio:
    """A server and a token for it: a legacy one, or a personal access token, which is traded for one of minutes."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False)
        self._token = token
        self._is_personal = token.count(".") == 2

    @classmethod
    def of(cls, settings: Settings) -> "LabelStudio":
        """The server of the settings; raises SetupError where they name none."""
        if not (settings.label_studio_url and settings.label_studio_token):
            raise SetupError("set FEEDBACK_LABEL_STUDIO_URL and FEEDBACK_LABEL_STUDIO_TOKEN")
        return cls(settings.label_studio_url, settings.label_studio_token)

    def __enter__(self) -> "LabelStudio":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def project(self, title: str) -> int | None:
        """The id of the project with this very title, the oldest where there are two."""
        found = self._ask("GET", "/api/projects", params={"title": title, "page_size": PAGE, "ordering": "id"})
        return min((each["id"] for each in found["results"] if each["title"] == title), default=None)

    def create(self, settings: Mapping[str, Any]) -> int:
        """Makes a project; its id."""
        return int(self._ask("POST", "/api/projects", json=settings)["id"])

    def change(self, project: int, settings: Mapping[str, Any]) -> None:
        """Changes a project."""
        self._ask("PATCH", f"/api/projects/{project}", json=settings)

    def call_back(self, project: int, url: str, secret: str) -> None:
        """Has the project tell `url` of annotations, with the secret in a header; one such webhook, however often."""
        hook = {
            "project": project,
            "url": url,
            "headers": {HEADER: secret},
            "send_payload": True,
            "send_for_all_actions": False,
            "actions": list(HEARD),
        }
        known = [each["id"] for each in self._ask("GET", "/api/webhooks/", params={"project": project})
                 if each["url"] == url]  # fmt: skip
        if known:
            self._ask("PATCH", f"/api/webhooks/{known[0]}/", json=hook)
        else:
            self._ask("POST", "/api/webhooks/", json=hook)

    def add(self, project: int, tasks: Sequence[Mapping[str, Any]]) -> None:
        """Imports tasks."""
        self._ask("POST", f"/api/projects/{project}/import", json=list(tasks))

    def predict(self, task: int, prediction: Mapping[str, Any]) -> None:
        """Adds a prediction to a task that is there."""
        self._ask("POST", "/api/predictions/", json={"task": task, **prediction})

    def tasks(self, project: int, field: str, among: Iterable[Any]) -> list[dict[str, Any]]:
        """The project's tasks whose `field` (`id`, `data.…`) is one of at most PAGE values, annotations included."""
        wanted = {"filter": f"filter:tasks:{field}", "operator": "in_list", "type": "List", "value": list(among)}
        query = orjson.dumps({"filters": {"conjunction": "and", "items": [wanted]}}).decode()
        params = {"project": project, "query": query, "fields": "all", "page_size": 2 * PAGE}
        return list(self._ask("GET", "/api/tasks", params=params)["tasks"])

    def _ask(self, method: str, path: str, **given: Any) -> Any:
        try:
            if self._is_personal and "Authorization" not in self._http.headers:
                told = self._http.post("/api/token/refresh", json={"refresh": self._token}).raise_for_status()
                self._http.headers["Authorization"] = f"Bearer {told.json()['access']}"
            elif not self._is_personal:
                self._http.headers["Authorization"] = f"Token {self._token}"
            answer = self._http.request(method, path, **given).raise_for_status()
            return answer.json() if answer.content else None
        except httpx.HTTPStatusError as error:
            said = error.response.text[:500] if "json" in error.response.headers.get("content-type", "") else ""
            raise LabelStudioAway(
                f"Label Studio answered {error.response.status_code} to {method} {path}: {said}"
            ) from error
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise LabelStudioAway() from error
