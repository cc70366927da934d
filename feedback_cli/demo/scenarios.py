"""Scenarios that an example app plays: which app, under which name, and how its phases are told."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """One of them: the app's module and what is said of it; `compares` where its users also compare answers."""

    name: str
    package: str
    model_name: str
    rate: float
    first: str
    steady: str
    drift: str
    drifted: str
    ends: str
    is_short: bool = False
    compares: bool = False


DIGITS = Scenario(
    name="digits",
    package="digits_app",
    model_name="digits",
    rate=50.0,
    first="training the first model, offline, on 400 images of the old scanner",
    steady="steady: the old scanner, the first model, its users",
    drift="drift: another scanner, half the contrast on a lifted black level",
    drifted="the scanner was changed",
    ends="no more images; the last words of the users, then the graph catches up",
)
TEXT = Scenario(
    name="text",
    package="support_desk",
    model_name="support-desk",
    rate=20.0,
    first="training the first model, offline, on 400 tickets from before there was an app",
    steady="steady: a support desk sorts tickets and answers them, customers and agents speak",
    drift="drift: customers have an app now and write of the same matters in other words",
    drifted="the tickets have changed",
    ends="no more tickets; the last words of the people, then the graph catches up",
    is_short=True,
    compares=True,
)
SCENARIOS = {each.name: each for each in (DIGITS, TEXT)}
