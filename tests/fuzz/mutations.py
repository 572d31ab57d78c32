"""Damage to files: as disks, copies and other programs do it, and as somebody would who means harm.

Every function takes a generator of chance and the content, and gives other content. Those for
plain data keep the form (JSON, YAML, CSV) and change what is said, which random bytes hardly do.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

Mutation = Callable[[random.Random, bytes], bytes]

#: Numbers at which sizes, signs and types end.
_EDGES = (0, 1, -1, 127, 255, 256, 65535, 1 << 24, (1 << 31) - 1, -(1 << 31), 1 << 32, 1 << 62,
          (1 << 63) - 1, 10**20)  # fmt: skip

_WORDS = (
    "", "nan", "NaN", "null", "inf", "1e999", "-1", "1e308", "2024-02-30", "12:30:05", "²", "0x10",
    "\x00", "\x1b[2J", "\u202e", "é", "../../away", "x/../../away", "/dev/zero", "C:\\away",
    "a" * 300, "9" * 5000, "[" * 3000, "{" * 3000, "- " * 3000, "&a [*a, *a]", "<<: *a",
    "!!python/object/apply:os.system [ls]", "%YAML 9.9\n---\n", '"', "'", ",", ";", "\t", "\r",
    "\n", "#",
)  # fmt: skip


def nested(depth: int) -> Any:
    """A list in a list in a list."""
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


def damaged(chance: random.Random, content: bytes) -> bytes:
    """Bytes flipped, zeroed, cut off, doubled, moved, or replaced by numbers at the edges."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        if not data:
            break
        at = chance.randrange(len(data))
        # Headers are short and decide everything.
        if chance.random() < 0.4:
            at = chance.randrange(min(len(data), 256))
        length = min(chance.choice((1, 2, 4, 8, 64, 512)), len(data) - at)
        match chance.randrange(8):
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at] = chance.randrange(256)
            case 2:
                data[at : at + length] = bytes(length)
            case 3:
                del data[at:]
            case 4:
                del data[at : at + length]
            case 5:
                data[at:at] = data[at : at + length]
            case 6:
                size = chance.choice((2, 4, 8))
                value = chance.choice(_EDGES) & ((1 << (8 * size)) - 1)
                order = chance.choice(("little", "big"))
                data[at : at + size] = value.to_bytes(size, order)  # type: ignore[arg-type]
            case 7:
                start = chance.randrange(len(data))
                data[at : at + length] = data[start : start + length]
    return bytes(data)


def reworded(chance: random.Random, content: bytes) -> bytes:
    """Text with a word, a number or a line exchanged, doubled or taken out."""
    text = content.decode("utf-8", "surrogateescape")
    for _ in range(chance.choice((1, 1, 2, 4))):
        words = list(re.finditer(r"[\w.-]+", text))
        lines = text.split("\n")
        match chance.randrange(5):
            case 0 if words:
                word = chance.choice(words)
                text = text[: word.start()] + chance.choice(_WORDS) + text[word.end() :]
            case 1 if words:
                word = chance.choice(words)
                text = text[: word.start()] + str(chance.choice(_EDGES)) + text[word.end() :]
            case 2:
                at = chance.randrange(len(text) + 1)
                text = text[:at] + chance.choice(_WORDS) + text[at:]
            case 3:
                del lines[chance.randrange(len(lines))]
                text = "\n".join(lines)
            case _:
                lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))
                text = "\n".join(lines)
    return text.encode("utf-8", "surrogateescape")


def changed(chance: random.Random, data: Any) -> Any:
    """Plain data with one value, somewhere in it, of another kind or size."""
    if isinstance(data, dict) and data and chance.random() < 0.9:
        key = chance.choice(sorted(data))
        what = chance.random()
        if what < 0.05:
            return {k: v for k, v in data.items() if k != key}
        if what < 0.1:
            return {**data, chance.choice(_WORDS): changed(chance, data[key])}
        return {**data, key: changed(chance, data[key])}
    if isinstance(data, list) and data and chance.random() < 0.8:
        at = chance.randrange(len(data))
        what = chance.random()
        if what < 0.05:
            return data[:at] + data[at + 1 :]
        if what < 0.1:
            return data[:at] + data[at : at + 1] * chance.choice((2, 2000)) + data[at + 1 :]
        return [*data[:at], changed(chance, data[at]), *data[at + 1 :]]
    kinds: tuple[Callable[[], Any], ...] = (
        lambda: None,
        lambda: True,
        lambda: chance.choice(_EDGES),
        lambda: chance.choice(_EDGES),
        lambda: chance.choice((float("nan"), float("inf"), 1e308, -0.5)),
        lambda: chance.choice(_WORDS),
        lambda: [],
        lambda: {},
        lambda: nested(chance.choice((1, 5, 900))),
        lambda: {"a": data},
        lambda: [data, data],
    )
    return chance.choice(kinds)()


def changed_json(chance: random.Random, content: bytes) -> bytes:
    """JSON that says something else."""
    return json.dumps(changed(chance, json.loads(content))).encode()


def one_of(*mutations: Mutation) -> Mutation:
    """Any of several, as often as one another."""
    return lambda chance, content: chance.choice(mutations)(chance, content)
