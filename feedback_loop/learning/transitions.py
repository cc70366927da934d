"""Transitions: what a model was asked, what it did, what that earned, and what it was asked next; for replay.

Of several feedback on one inference the newest by offset counts, as everywhere. An episode is what a client names so,
else its session, else the one inference; within it transitions follow each other by the `step` a client gives, then by
the time they were asked, and its last is terminal until another comes.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis
    import numpy as np
    from numpy.typing import NDArray

COLUMNS = (
    "project_id", "model_name", "log_offset", "inference_offset", "inference_request_id", "model_version",
    "episode", "step", "occurred_at", "state", "action", "answer_text", "propensity", "reward", "next_state",
    "next_offset", "is_last", "stratum", "priority",
)  # fmt: skip
"""Of the table of transitions. `log_offset` is that of the feedback and names the transition, `next_offset` that of the
one after it in its episode. State and action are JSON text; the action is null for a text, which is in `answer_text`.
`stratum` is the right answer as far as it is known, else the action; `priority` is how far the reward lay from what the
model expected."""

UNSURE = 0.5
"""What a model is taken to expect of an answer whose confidence is not logged."""


def transitions(enriched: "ibis.Table", inferences: "ibis.Table") -> "ibis.Table":
    """The table COLUMNS, by `log_offset`, from ENRICHED_SCHEMA and INFERENCE_SCHEMA of all days.

    Left out: feedback that is not attributed or was undone, that gives no reward, or without consent to training, and
    inferences whose inputs are not in the log.
    """
    import ibis

    one = ["project_id", "inference_request_id"]
    asked = inferences.select(*one, "propensity", asked_at=inferences.occurred_at)
    joined = _earned(enriched).inner_join(asked, one)
    named = joined.mutate(
        episode=ibis.coalesce(joined.episode_id, joined.session_id, joined.inference_request_id),
        told_step=joined.step.fill_null(0),
        action=joined.answer_label,
        stratum=ibis.coalesce(joined.label, joined.answer_label, ""),
        priority=(joined.earned - joined.confidence.fill_null(UNSURE)).abs(),
    )
    keys = ["project_id", "model_name", "episode"]
    window = ibis.window(group_by=keys, order_by=[named.told_step, named.asked_at, named.inference_offset])
    following = named.mutate(
        place=ibis.row_number().over(window),
        next_state=named.inputs.lead().over(window),
        next_offset=named.log_offset.lead().over(window),
    )
    whole = following.mutate(
        step=following.place, occurred_at=following.asked_at, state=following.inputs, reward=following.earned,
        is_last=following.next_offset.isnull(),
    )  # fmt: skip
    return whole.select(*COLUMNS).order_by("log_offset")


def _earned(enriched: "ibis.Table") -> "ibis.Table":
    """The newest feedback on each inference that may be learnt from, with what it says the answer `earned`."""
    import ibis

    reward = ibis.coalesce(enriched.reward, enriched.correct.cast("float64"))
    told = enriched.mutate(earned=reward).filter(
        enriched.state == "attributed",
        ~enriched.is_undone,
        ~enriched.is_retraction,
        enriched.training_consent,
        enriched.inputs.notnull(),
        reward.notnull(),
    )
    one = ["project_id", "inference_request_id"]
    newest = told.mutate(place=ibis.row_number().over(group_by=one, order_by=told.log_offset.desc()))
    return newest.filter(newest.place == 0)


class Returns:
    """n-step returns over transitions in memory; `offsets` (ascending) name them.

    `next_offsets` is 0 where there is none. Of a transition: the discounted sum of the rewards of up to `steps`
    transitions from it on, the place of the last of these, and what its next state counts (the discount; 0 where the
    episode ends there). It stops early at the end of the episode, or where the next transition is not in memory.
    """

    def __init__(
        self, offsets: "NDArray[np.int64]", next_offsets: "NDArray[np.int64]", rewards: "NDArray[np.float64]"
    ) -> None:
        import numpy as np

        self._offsets, self._rewards, self._ends = offsets, rewards, next_offsets == 0
        at = np.minimum(np.searchsorted(offsets, next_offsets), max(len(offsets) - 1, 0))
        self._next = np.where(offsets[at] == next_offsets, at, -1) if len(offsets) else at

    def places(self, offsets: "NDArray[np.int64]") -> "NDArray[np.int64]":
        """Where the transitions with those offsets stand; each must be there."""
        import numpy as np

        found: NDArray[np.int64] = np.searchsorted(self._offsets, offsets)
        return found

    def of(self, places: "NDArray[np.int64]", steps: int, gamma: float) -> tuple[Any, Any, Any]:
        """Three arrays, one entry a place: the return, the place of the last transition in it, the discount."""
        returns, last = self._rewards[places].copy(), places.copy()
        discount = places * 0.0 + gamma
        for _ in range(steps - 1):
            following = self._next[last]
            goes_on = following >= 0
            returns[goes_on] += discount[goes_on] * self._rewards[following[goes_on]]
            last[goes_on] = following[goes_on]
            discount[goes_on] *= gamma
        discount[self._ends[last]] = 0.0
        return returns, last, discount
