"""`feedback demo --from DIR`: a recording played through the running system, the loop against the frozen model."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from feedback_cli.demo import latency
from feedback_cli.demo.batch_sender import BatchSender
from feedback_cli.demo.dagster_runs import DagsterRuns
from feedback_cli.demo.display import Display
from feedback_cli.demo.ending import links, retrainings, settle, training_times
from feedback_cli.demo.goals import missed
from feedback_cli.demo.loop_watch import LoopWatch
from feedback_cli.demo.observer import Observer
from feedback_cli.demo.online_forest import online_forest
from feedback_cli.demo.player import Player
from feedback_cli.demo.prequential import Prequential
from feedback_cli.demo.recording import Recording
from feedback_cli.demo.report import Report
from feedback_cli.demo.setting_up import DEMO_PROJECT_ID, client_key, first_champion
from feedback_cli.demo.stored import stored_events
from feedback_cli.supervision.system import System
from feedback_loop.learning.increments import is_increment
from feedback_loop.learning.training import TrainedModel
from feedback_loop.registry.served_model import ServedModel

MOST_HOURS = 24
ONLINE = "river's adaptive forest, online"


@dataclass
class Replay:
    """One play of `recording` at `rate` inferences per second."""

    system: System
    recording: Recording
    model_name: str
    rate: float
    is_exiting: bool
    display: Display
    stop: threading.Event

    def run(self) -> Report:
        """Plays, settles, reports; raises FeedbackError."""
        first = first_champion(self.system, self.model_name, None, self.recording.model_version)
        self.model_name = first.model_name
        key = client_key(self.system.database)
        url = self.system.addresses.api_url
        dagster = DagsterRuns(self.system.addresses.dagster_url)
        watch = LoopWatch(self.system.database, DEMO_PROJECT_ID, self.model_name)
        observer = Observer(watch, dagster, self.display, self.stop)
        served = ServedModel(url, key.key, self.model_name, TrainedModel.from_bytes)
        sender = BatchSender(url, key.key)
        player = Player(
            self.recording, self.model_name, self.rate, served, sender, observer.is_retraining, self.display.milestone
        )
        minutes = self.recording.inferences / self.rate / 60
        self.display.phase(f"playing {self.recording.inferences:,} inferences at {self.rate:g}/s, {minutes:.1f} min")
        self._play(player, observer)
        failures = settle(self.system, observer, self.is_exiting)
        queue = latency.training_queue(self.system.database, DEMO_PROJECT_ID, self.model_name)
        offsets = {name: each.log_offset for name, each in queue.items()}
        trained = training_times(observer, player.served_from, offsets)
        forest = self._online()
        overall = player.score.overall()
        report = Report(
            scenario=f"recording of {self.recording.model_version}",
            counts=sender.counts,
            stored=stored_events(self.system.database, DEMO_PROJECT_ID, self.model_name, key.id, observer.first_offset),
            accuracy={"frozen": overall["frozen"], "loop": overall["loop"], ONLINE: forest.overall()["loop"]},
            champion={"before": first.model_version, "after": observer.view.champion},
            latency_ms=latency.stages(sender.ledger, queue, trained),
            runs=observer.runs,
            graph=dagster.graph(),
            retrainings=retrainings(observer),
            links=links(self.system, observer),
            more=_more(player, forest),
        )
        report.failures = [*failures, *missed(report, expects_retraining=True), *_not_beaten(overall)]
        return report

    def _online(self) -> Prequential:
        """What the loop is measured against, judged."""
        self.display.phase("river's adaptive random forest learns the same labels as they came, for comparison")
        return online_forest(self.recording)

    def _play(self, player: Player, observer: Observer) -> None:
        """The player in a thread of its own; this one watches and shows."""
        trouble: list[BaseException] = []

        def play() -> None:
            try:
                player.play(self.stop)
            except BaseException as error:  # noqa: BLE001 - raised again where it can be seen
                trouble.append(error)

        playing = threading.Thread(target=play, name="player")
        playing.start()

        def show() -> None:
            observer.counts = player.sender.counts
            self.display.shown.phase = f"playing: {player.played:,} of {len(self.recording.events):,} events"

        observer.until(lambda: not playing.is_alive(), MOST_HOURS * 3600, show)
        playing.join()
        show()
        if trouble:
            raise trouble[0]


def _more(player: Player, forest: Prequential) -> dict[str, Any]:
    return {
        "tenths": player.score.tenths(),
        "kappa_temporal": {**player.score.kappa_temporal(), ONLINE: forest.kappa_temporal()["loop"]},
        "increments": sum(is_increment(version) for version in player.served_from),
        "held_s": player.held_s,
        "left_out": player.left_out,
    }


def print_tenths(tenths: list[Mapping[str, Any]], overall: Mapping[str, float | None], console: Console) -> None:
    """Accuracy of the loop and of the frozen first model over the stream."""
    table = Table(title="accuracy over the stream, each answer judged by its later label", title_justify="left")
    for name in ("tenth", "judged", "frozen model", "loop"):
        table.add_column(name, justify="right")
    for row in tenths:
        table.add_row(str(row["tenth"]), f"{row['judged']:,}", _share(row["frozen"]), _share(row["loop"]))
    table.add_row("all", "", _share(overall["frozen"]), _share(overall["loop"]))
    console.print(table)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _not_beaten(overall: Mapping[str, Any]) -> list[str]:
    loop, frozen = overall["loop"], overall["frozen"]
    if loop is None or frozen is None:
        return ["nothing was judged: the recording has no labels"]
    return [] if loop > frozen else [f"the loop ({loop:.3f}) does not beat the frozen first model ({frozen:.3f})"]
