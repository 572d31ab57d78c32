"""The hub that timm downloads weights from, where nobody is there."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Thread
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

_lock = Lock()
#: What each load that goes on offline found the hub's flag to be, in their order.
_offline: list[bool] = []


@contextmanager
def in_reach() -> Iterator[str]:
    """Load from the cache alone where no connection to the hub can be made: it tries for a minute.

    A hub, or its proxy, that takes the connection is left to huggingface_hub, however slow it is.

    Yields
    ------
    str
        Why it cannot be reached; empty if it can.
    """
    from huggingface_hub import constants

    with _lock:
        # Where the user wants no network, nobody is asked.
        asked = bool(_offline) or not constants.HF_HUB_OFFLINE
    why = _unreachable(constants.ENDPOINT, constants.HF_HUB_ETAG_TIMEOUT) if asked else ""
    if not why:
        yield why
        return
    with _lock:
        _offline.append(constants.HF_HUB_OFFLINE)
        constants.HF_HUB_OFFLINE = True
    try:
        yield why
    finally:
        with _lock:
            # Of loads that overlap, the last that ends puts back what the first found.
            before = _offline.pop()
            if not _offline:
                constants.HF_HUB_OFFLINE = before


def _unreachable(address: str, seconds: float) -> str:
    """Why no connection can be made within some seconds; empty if one can."""
    parts = urlsplit(address)
    if not proxy_bypass(parts.netloc):
        proxies = getproxies()
        proxy = proxies.get(parts.scheme) or proxies.get("all")
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}") if proxy else parts
    place = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    answers: list[str] = []

    def connect() -> None:
        try:
            socket.create_connection(place, timeout=seconds).close()
            answers.append("")
        except OSError as error:
            answers.append(f"{address} cannot be reached: {' '.join(str(error).split())}")

    # In a thread, for looking up a name knows no time limit; that and connecting have one each.
    thread = Thread(target=connect, daemon=True)
    thread.start()
    thread.join(2 * seconds)
    return answers[0] if answers else f"{address} does not answer"
