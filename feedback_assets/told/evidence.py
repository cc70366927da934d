"""What the UI is told of bias."""

from collections.abc import Mapping, Sequence
from typing import Any

from feedback_assets.biases import ModelBias
from feedback_assets.presentation import bar_plot, markdown_table


def bias_told(found: Sequence[ModelBias]) -> Mapping[str, Any]:
    """What was found, every value of every segment, and how a figure changes when silence is reckoned with."""
    values = [
        {"model_name": each.model_name, "segment": f"{segment['name']}={value['value']}", **_flat(value)}
        for each in found
        for segment in each.report.segments
        for value in segment["values"]
    ]
    return {
        "findings": markdown_table(
            [
                {"model_name": each.model_name, **finding._asdict()}
                for each in found
                for finding in each.report.findings
            ],
            empty="none",
        ),
        "segments": markdown_table(values, empty="no inference names a segment"),
        "estimates": markdown_table(_estimates(found), empty="nobody said how good an answer was"),
        "liking": markdown_table(
            [{"model_name": each.model_name, **each.report.liking} for each in found if each.report.liking],
            empty="no thumbs and no ratings",
        ),
        "positions": markdown_table(
            [
                {"model_name": each.model_name, **_flat_share(position)}
                for each in found
                for position in each.report.positions
            ],
            empty="no exposures",
        ),
        **_plots(found),
    }


def _flat(value: Mapping[str, Any]) -> dict[str, Any]:
    response = value["response"]
    told = {name: value[name] for name in ("served", "answered", "negatives", "outcome", "weight")}
    return {**told, "response": response["value"], "low": response["low"], "high": response["high"]}


def _flat_share(position: Mapping[str, Any]) -> dict[str, Any]:
    return {**position, "share": position["share"]["value"]}


def _estimates(found: Sequence[ModelBias]) -> list[dict[str, Any]]:
    return [
        {
            "model_name": each.model_name,
            "by": segment["name"],
            "of those who spoke": segment["raw"]["value"],
            "of all": segment["reweighted"]["value"],
            "error": segment["reweighted"]["error"],
            "psi": segment["psi"]["value"],
            "psi low": segment["psi"]["low"],
            "psi high": segment["psi"]["high"],
            "p": segment["chi_squared"]["p"],
        }
        for each in found
        for segment in each.report.segments
        if segment["raw"] and segment["reweighted"]
    ]


def _plots(found: Sequence[ModelBias]) -> dict[str, Any]:
    """One a model and segment name: the share of each value in traffic, beside its share in answers."""
    plots = {}
    for each in found:
        for segment in each.report.segments:
            shares = {
                side: {value["value"]: value[side] / (total or 1) for value in segment["values"]}
                for side, total in (("served", each.report.served), ("answered", each.report.answered))
            }
            name = f"{each.model_name} by {segment['name']}"
            plots[name] = bar_plot(f"{name}: shares of traffic and of answers", shares)
    return plots
