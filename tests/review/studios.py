"""Label Studio for tests: a small server that answers like it where the connector asks, and the real one."""

import json
import os
import re
import signal
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.ports import free_port
from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a1" * 20


class Studio:
    """A server under `url`, and what its users do there."""

    def __init__(self, url: str, token: str = TOKEN) -> None:
        self.url, self.token = url, token
        self.shown: set[str] = set()
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Token {token}"}, trust_env=False, timeout=60)

    def project(self) -> int:
        """The newest project."""
        return int(max(each["id"] for each in self.http.get("/api/projects").json()["results"]))

    def tasks(self, project: int) -> list[dict[str, Any]]:
        """All of a project's tasks, as the connector reads them."""
        found, page = [], 1
        while True:
            params = {"project": project, "fields": "all", "page_size": 100, "page": page}
            answer = self.http.get("/api/tasks", params=params).raise_for_status().json()
            found += answer["tasks"]
            if len(found) >= answer["total"]:
                return found
            page += 1

    def annotate(self, task: int, user: int, words: str | None, is_typed: bool = False) -> None:
        """What a user says of a task, chosen or typed as another label; None skips it."""
        said = {"from_name": "answer", "to_name": "inputs", "type": "choices", "value": {"choices": [words]}}
        if is_typed:
            said = {"from_name": "other", "to_name": "inputs", "type": "textarea", "value": {"text": [words]}}
        body = {"result": [said] if words is not None else [], "was_cancelled": words is None, "completed_by": user}
        self.http.post(f"/api/tasks/{task}/annotations/", json=body).raise_for_status()


class Double(BaseHTTPRequestHandler):
    """Answers what the connector asks; its state is the server's."""

    state: dict[str, Any]

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        """Projects by title, webhooks by project, tasks by a filter."""
        place = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(place.query).items()}
        if place.path == "/api/projects":
            found = [each for each in self.state["projects"] if asked.get("title", "") in each["title"]]
            return self.answer({"count": len(found), "results": found})
        if place.path == "/api/webhooks/":
            return self.answer([each for each in self.state["hooks"] if str(each["project"]) == asked["project"]])
        tasks = [each for each in self.state["tasks"] if str(each["project"]) == asked["project"]]
        for wanted in json.loads(asked.get("query", '{"filters": {"items": []}}'))["filters"]["items"]:
            assert (wanted["operator"], wanted["filter"]) == ("in_list", "filter:tasks:data.external_id")
            tasks = [each for each in tasks if each["data"]["external_id"] in wanted["value"]]
        start, size = (int(asked.get("page", 1)) - 1) * int(asked["page_size"]), int(asked["page_size"])
        return self.answer({"total": len(tasks), "tasks": tasks[start : start + size]})

    def do_POST(self) -> None:
        """Projects, webhooks, imports, predictions, annotations."""
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/token/refresh":
            return self.answer({"access": f"traded-{told['refresh']}"})
        self.state["shown"].add(self.headers["Authorization"])
        if self.path in ("/api/projects", "/api/webhooks/"):
            kept = self.state["projects" if self.path == "/api/projects" else "hooks"]
            kept.append({**told, "id": len(kept) + 1})
            return self.answer(kept[-1], 201)
        if found := re.fullmatch(r"/api/projects/(\d+)/import", self.path):
            for task in told:
                self.state["tasks"].append(
                    {**task, "id": len(self.state["tasks"]) + 1, "project": int(found[1]), "annotations": []}
                )
            return self.answer({"task_count": len(told)}, 201)
        if self.path == "/api/predictions/":
            self.state["tasks"][told["task"] - 1]["predictions"].append(told)
            return self.answer(told, 201)
        task = self.state["tasks"][int(self.path.split("/")[3]) - 1]
        task["annotations"].append({"was_cancelled": False, **told, "created_at": datetime.now(UTC).isoformat()})
        call = {"action": "ANNOTATION_CREATED", "annotation": told, "task": task, "project": {"id": task["project"]}}
        for hook in self.state["hooks"]:
            if hook["project"] == task["project"]:
                httpx.post(hook["url"], json=call, headers=hook["headers"], trust_env=False)
        return self.answer(task["annotations"][-1], 201)

    def do_PATCH(self) -> None:
        """Projects and webhooks."""
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        _, _, kind, name, *_ = self.path.split("/")
        thing = self.state["projects" if kind == "projects" else "hooks"][int(name) - 1]
        thing.update(told)
        self.answer(thing)

    def answer(self, body: Any, status: int = 200) -> None:
        """JSON."""
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


@contextmanager
def double() -> Iterator[Studio]:
    """The small server, empty."""
    handler: Any = type("Fresh", (Double,), {"state": {"projects": [], "hooks": [], "tasks": [], "shown": set()}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        made = Studio(f"http://127.0.0.1:{server.server_address[1]}")
        made.shown = handler.state["shown"]
        yield made
    finally:
        server.shutdown()
        server.server_close()


def is_installed() -> bool:
    """Did `make label-studio` install one?"""
    return (ROOT / ".label-studio" / "venv" / "bin" / "label-studio").exists()


class Installed(Studio):
    """The real Label Studio in a process group of its own, with users 1 to `people`; its database is in `folder`."""

    def __init__(self, folder: Path, people: int) -> None:
        self.port, self.folder, self.people = free_port(), folder, people
        (folder / "token").write_text(TOKEN)
        super().__init__(f"http://127.0.0.1:{self.port}")

    def start(self) -> "Installed":
        """Returns when it answers."""
        command = ["sh", str(ROOT / "deploy" / "label-studio.sh"), str(self.folder), str(self.port)]
        with (self.folder / "log").open("ab") as out:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, start_new_session=True)
        wait_for(self.is_ready, 400, "Label Studio to answer")
        while self.http.get("/api/users/").raise_for_status().json()[-1]["id"] < self.people:
            name = f"annotator-{uuid.uuid4().hex}@example.org"
            told = {"username": name[:30], "email": name, "password": "of no use"}
            self.http.post("/api/users/", json=told).raise_for_status()
        return self

    def is_ready(self) -> bool:
        """Does it say so?"""
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            return self.http.get("/health").status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """SIGKILL to all of it at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)
