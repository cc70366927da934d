"""Links from assets to the API: which feedback is in a dataset, which a model learnt from, where one feedback went."""

from urllib.parse import quote

import dagster as dg

from feedback_ingest.settings import Settings

Links = dict[str, dg.UrlMetadataValue]


def dataset_links(settings: Settings, dataset_version: str) -> Links:
    """To the feedback that a dataset looked at, and to the page that follows one of it."""
    return {
        "feedback looked at": _url(settings, "v1", "datasets", dataset_version, "events"),
        "manifest, verified": _url(settings, "v1", "datasets", dataset_version),
        "where a feedback went": _url(settings, "lineage"),
    }


def model_links(settings: Settings, model_name: str, model_version: str) -> Links:
    """To the feedback that a version learnt from, and to what is known of it."""
    place = ("v1", "models", model_name, "versions", model_version)
    return {"feedback learnt from": _url(settings, *place, "feedback"), "on the shelf": _url(settings, *place)}


def _url(settings: Settings, *parts: str) -> dg.UrlMetadataValue:
    home = settings.api_url or f"http://localhost:{settings.api_port}"
    return dg.MetadataValue.url("/".join([home.rstrip("/"), *(quote(part, safe="") for part in parts)]))
