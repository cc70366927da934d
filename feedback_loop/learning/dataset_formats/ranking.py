"""Judgements for learning to rank: what was shown for a query, where, and whether it was wanted."""

from typing import TYPE_CHECKING, ClassVar

from feedback_loop.learning.dataset_formats._base import KEYS, DatasetFormat, Material, Unit

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa
    from ibis.expr.types import BooleanValue


class Ranking(DatasetFormat):
    """`query, context, item_id, position, relevance`: one row an item that an inference showed (by its exposure, else
    its outputs), 1 where it was clicked. Rows of a query stand together, as rankers want their groups.
    """

    name: ClassVar[str] = "ranking"
    unit: ClassVar[Unit] = "inference"
    reads: ClassVar[tuple[str, ...]] = ("implicit_click", "exposure")
    order: ClassVar[tuple[str, ...]] = ("position", "item_id")

    def schema(self) -> "pa.Schema":
        """Names, the context as JSON text, two whole numbers."""
        import pyarrow as pa

        return pa.schema(
            [
                ("query", pa.string()),
                ("context", pa.string()),
                ("item_id", pa.string()),
                ("position", pa.int64()),
                ("relevance", pa.int64()),
            ]
        )

    def is_usable(self, told: "ibis.Table") -> "BooleanValue":
        """Any click or exposure."""
        return told.has_inputs.fill_null(False)

    def examples(self, material: Material) -> "ibis.Table":
        """One row an item."""
        from feedback_loop.learning.sql_functions import member, outputs_of, shown_in

        told, said = material.chosen, material.said
        clicks = said.filter(said.feedback_type == "implicit_click")
        named = member(clicks.feedback_value, "/item_id")
        clicks = clicks.select("inference_offset", item_id=named, wanted=clicks.reward)
        clicked = clicks.group_by(["inference_offset", "item_id"]).agg(relevance=clicks.wanted.max().cast("int64"))
        exposed = said.filter(said.feedback_type == "exposure")
        shown = exposed.select("inference_offset", each=shown_in(exposed.feedback_value).unnest())
        answered = told.select("inference_offset", each=outputs_of(told.outputs).unnest())
        places = shown.select("inference_offset", item_id=shown.each.item_id, position=shown.each.position, rank=0)
        places = places.union(
            answered.select(
                "inference_offset",
                item_id=answered.each.item_id,
                position=answered.each["rank"].cast("int64"),
                rank=1,
            )
        )
        places = places.filter(places.item_id.notnull())
        one = places.group_by(["inference_offset", "item_id"]).agg(position=places.position.argmin(places["rank"]))
        judged = one.left_join(clicked, ["inference_offset", "item_id"])
        judged = judged.select("inference_offset", "item_id", "position", relevance=judged.relevance.fill_null(0))
        rows = told.inner_join(judged, "inference_offset")
        return rows.select(
            *KEYS, "item_id", "position", "relevance", query=rows.inference_request_id, context=rows.inputs
        )
