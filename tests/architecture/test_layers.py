"""The picture of the house in pyproject.toml names every room there is, and nothing else."""

import tomllib

from tests.architecture.tree import BESIDE, ROOMS, ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LAYERS = {contract["id"]: contract for contract in PYPROJECT["tool"]["importlinter"]["contracts"]}


def _packages() -> set[str]:
    return {path.parent.name for path in ROOT.glob("*/__init__.py")}


def test_every_package_is_a_room_or_stands_beside_them() -> None:
    """A package that nobody gave a place in the layers cannot be added."""
    known = set(ROOMS) | set(BESIDE)

    assert _packages() <= known
    assert set(ROOMS) <= _packages()


def test_the_layers_name_every_room() -> None:
    """import-linter's layers, its roots and the packages of the wheel are the same rooms."""
    layers = " | ".join(LAYERS["house"]["layers"]).replace(" ", "").split("|")

    roots = {layer.split(".")[0] for layer in layers}

    assert roots == set(ROOMS)
    assert set(PYPROJECT["tool"]["importlinter"]["root_packages"]) == set(ROOMS)
    assert set(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == set(ROOMS)
    assert set(PYPROJECT["tool"]["mypy"]["files"]) == set(ROOMS)


def test_the_layers_inside_the_loop_are_exhaustive() -> None:
    """feedback_loop's own rooms are all named, and import-linter fails when one is added without a place."""
    inside = {path.parent.name for path in (ROOT / "feedback_loop").glob("*/__init__.py")}

    named = set(" | ".join(LAYERS["loop"]["layers"]).replace(" ", "").split("|"))

    assert LAYERS["loop"]["exhaustive"] is True
    assert named == inside
    assert {f"feedback_loop.{room}" for room in named} <= set(" | ".join(LAYERS["house"]["layers"]).split(" | "))


def test_no_import_is_excused() -> None:
    """No contract has a list of imports it overlooks."""
    excused = [name for name, contract in LAYERS.items() if contract.get("ignore_imports")]

    assert not excused
