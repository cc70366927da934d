"""What every reader of references promises: only allowed places, never more than asked for, every refusal by name."""

from pathlib import Path
from typing import Any

import pytest

from feedback_assets.reference_readers import collect
from feedback_ingest.settings import Settings
from feedback_loop.learning.references import ReferenceUnusable

NOWHERE = ["", "/", "//", "..", "a/../b", "/a/../b", "/etc/passwd", "etc/passwd", "host/etc/passwd", "a//b", "/a%00b"]


@pytest.mark.parametrize("scheme", collect())
@pytest.mark.parametrize("address", NOWHERE)
def test_without_a_setting_nothing_may_be_read(scheme: str, address: str, tmp_path: Path) -> None:
    """Who allows no place reads nothing, however it is spelled, and asks nobody."""
    reader = collect()[scheme](Settings(data_dir=tmp_path), "default")

    with pytest.raises(ReferenceUnusable) as refused:
        reader.read(address, 100)

    assert refused.value.reason == "not-allowed"


@pytest.mark.parametrize("scheme", collect())
@pytest.mark.parametrize("project", ["shop", "other"])
def test_a_place_can_be_a_projects_own(scheme: str, project: str, tmp_path: Path) -> None:
    """`{project}` in a setting keeps one tenant from naming another one's objects."""
    places: dict[str, Any] = {"ref_roots": f"{tmp_path}/{{project}}", "ref_buckets": "inputs/{project}"}
    reader = collect()[scheme](Settings(data_dir=tmp_path, **places), project)
    other = "other" if project == "shop" else "shop"

    for address in (f"{tmp_path}/{other}/a.json", f"inputs/{other}/a.json", f"inputs/{project}-2/a.json"):
        with pytest.raises(ReferenceUnusable) as refused:
            reader.read(address, 100)
        assert refused.value.reason == "not-allowed"
