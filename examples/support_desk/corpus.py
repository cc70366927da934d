"""The tickets and answers of the support desk: sentences put together from parts by chance; no customer wrote them.

What makes an answer better is known here and told to nobody: kind words, and the step that helps with what was asked.
How long it is says less. So whoever learns from preferences can be held against the truth.
"""

import re
from collections import Counter
from dataclasses import dataclass
from math import exp
from random import Random

TOPICS: dict[str, tuple[str, ...]] = {
    "refund": ("I want my money back for {item}", "when do I get the refund for {item}", "please reimburse {item}"),
    "delivery": ("where is my parcel with {item}", "{item} has not arrived", "the courier never brought {item}"),
    "password": ("I cannot log in to my account", "my password is not accepted", "the login page locks me out"),
    "invoice": (
        "I need an invoice for {item}",
        "the bill for {item} has a wrong address",
        "send me the receipt for {item}",
    ),
    "damage": ("{item} came broken", "there is a crack in {item}", "{item} stopped working after a day"),
    "cancel": ("please cancel my order of {item}", "I no longer want {item}", "stop the shipment of {item}"),
}
LATER: dict[str, tuple[str, ...]] = {
    "refund": ("the cashback for {item} is still open", "your app shows no credit for {item}"),
    "delivery": ("the locker was empty when I came for {item}", "tracking in the app stands still for {item}"),
    "password": ("the passkey on my phone is rejected", "the app asks for a code that I never get"),
    "invoice": ("the app lets me download no statement for {item}", "accounting asks for the VAT number of {item}"),
    "damage": ("the screen of {item} flickers since the update", "{item} will not pair any more"),
    "cancel": ("the app will not let me drop {item} from the basket plan", "end my subscription of {item}"),
}
"""How customers write once there is an app: other words for the same matters."""

ITEMS = ("the lamp", "a kettle", "two chairs", "the headphones", "my watch", "the backpack", "a bicycle light")
UNCLEAR = ("it is about {item} again", "the same trouble with {item} as last time", "see my letter about {item}")
UNCLEAR_SHARE, SLIP_SHARE = 0.05, 0.04
"""Some tickets say too little to be sorted, and some words are mistyped: no model gets all of them right."""
BEFORE = ("", "Hello, ", "Hi there, ", "Good morning, ", "Third time I write: ")
AFTER = ("", ". Thanks", ". What now?", ", it is urgent", ". Order 40{digit}{digit}", ". Regards, {name}")
NAMES = ("Ada", "Ben", "Chen", "Dora", "Emil", "Fatma")

STEPS = {
    "refund": "The refund is with your bank in three days",
    "delivery": "The courier brings the parcel again tomorrow before noon",
    "password": "Use the reset link on the login page, then choose a new password",
    "invoice": "The invoice is attached, and stands in your account under documents",
    "damage": "We send a replacement today, and the box comes with a return label",
    "cancel": "The order is cancelled and nothing is charged",
}
VAGUE = ("We will look into it", "Your request is being processed", "Somebody will come back to you")
KIND = ("I am sorry for the trouble.", "Thank you for telling us.", "I gladly help with that.")
COLD = ("As stated in our terms.", "This is not our fault.", "Please read the manual first.")
FILLER = (
    "Our company has served customers since 1974.",
    "You can also visit one of our forty shops.",
    "Please note that opening hours differ on public holidays.",
)
LETTERS = 5
WORD = re.compile(r"[a-z']+")


@dataclass(frozen=True)
class Ticket:
    """What a customer wrote, and what it is about."""

    text: str
    topic: str


@dataclass(frozen=True)
class Reply:
    """An answer to a ticket, and how good customers find it; that is known to the corpus alone."""

    text: str
    worth: float


def ticket(chance: Random, is_later: bool = False) -> Ticket:
    """A ticket on any topic; a later one is mostly in the words of those who use the app."""
    topic = chance.choice(list(TOPICS))
    wordings = LATER if is_later and chance.random() < 0.85 else TOPICS
    matter = chance.choice(UNCLEAR if chance.random() < UNCLEAR_SHARE else wordings[topic])
    named = {"item": chance.choice(ITEMS), "digit": str(chance.randrange(10)), "name": chance.choice(NAMES)}
    said = (chance.choice(BEFORE) + matter + chance.choice(AFTER)).format(**named)
    return Ticket(" ".join(_typed(chance, word) for word in said.split()), topic)


def _typed(chance: Random, word: str) -> str:
    """A word as somebody in a hurry types it: now and then a letter is missing."""
    if len(word) < 4 or chance.random() >= SLIP_SHARE:
        return word
    place = chance.randrange(1, len(word))
    return word[:place] + word[place + 1 :]


def reply(chance: Random, topic: str, asked: str, is_careful: bool) -> Reply:
    """An answer of a desk that took a ticket about `asked` for one about `topic`; a careful desk words it better."""
    manner = chance.choices(("kind", "plain", "cold"), (0.7, 0.25, 0.05) if is_careful else (0.3, 0.4, 0.3))[0]
    is_vague = chance.random() < (0.1 if is_careful else 0.4)
    step = chance.choice(VAGUE) if is_vague else STEPS[topic]
    helps = not is_vague and topic == asked
    has_filler = chance.random() < 0.4
    parts = [
        chance.choice(KIND) if manner == "kind" else "",
        f"{step}.",
        chance.choice(COLD) if manner == "cold" else "",
    ]
    parts += [chance.choice(FILLER)] if has_filler else []
    worth = {"kind": 1.0, "plain": 0.0, "cold": -1.0}[manner] + (1.2 if helps else -0.4) - (0.3 if has_filler else 0.0)
    return Reply(" ".join(part for part in parts if part), worth)


def prefers_first(chance: Random, first: Reply, second: Reply) -> bool:
    """Which of two answers a customer prefers: mostly the better one, the surer the more they differ."""
    return chance.random() < 1 / (1 + exp(-2.0 * (first.worth - second.worth)))


def words_of(text: str) -> dict[str, int]:
    """How often each word, by its first letters, stands in a text: what the desk's model reads of a ticket."""
    return dict(Counter(word[:LETTERS] for word in WORD.findall(text.lower())))
