"""The hub that timm downloads weights from, where it does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

#: Seconds in which the hub has to answer.
_PATIENCE = 8.0


@contextmanager
def in_reach() -> Iterator[str]:
    """Load from the cache alone where the hub does not answer: it would be asked for a minute.

    Yields
    ------
    str
        Why it cannot be reached; empty if it can.
    """
    from huggingface_hub import constants

    answers: list[str] = []
    # In a thread, for looking up a name knows no time limit.
    asking = Thread(target=_ask, args=(constants.ENDPOINT, answers), daemon=True)
    asking.start()
    asking.join(_PATIENCE)
    why = answers[0] if answers else f"{constants.ENDPOINT} does not answer"
    offline = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = offline or bool(why)
    try:
        yield why
    finally:
        constants.HF_HUB_OFFLINE = offline


def _ask(address: str, answers: list[str]) -> None:
    from huggingface_hub.utils import get_session

    try:
        get_session().head(address, timeout=_PATIENCE)
        answers.append("")
    except Exception as error:
        # Whatever requests or httpx raise.
        answers.append(f"{address} cannot be reached: {' '.join(str(error).split())}")
