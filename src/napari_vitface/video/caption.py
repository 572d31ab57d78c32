"""A strip of text below a picture, that says what is in it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Caption:
    """The same text below pictures of one width, under a heading that changes.

    Parameters
    ----------
    text : str
        Wrapped to the width; each line of it begins a new one.
    width : int
        Of the pictures, in pixels.
    height : int, optional
        Of the strip, if it has to be that of another text, as in a video: what does not fit is cut.

    Attributes
    ----------
    height : int
        Of the strip, in pixels; even, as most video codecs want it.
    """

    def __init__(self, text: str, width: int, height: int | None = None) -> None:
        from PIL import ImageFont

        self._font = ImageFont.load_default(max(11, min(16, width // 40)))
        self._width = width
        self._lines = self._wrapped(text, width - 12)
        _, top, _, bottom = self._font.getbbox("Ág")
        self._line = round((bottom - top) * 1.35)
        own = self._line * (1 + len(self._lines)) + 8
        self.height = own + own % 2 if height is None else height

    def below(self, picture: NDArray[np.uint8], heading: str) -> NDArray[np.uint8]:
        """The picture (H, W, 3) with the strip below it, (H + height, W, 3)."""
        from PIL import Image, ImageDraw

        strip = Image.new("RGB", (self._width, self.height), (20, 20, 20))
        draw = ImageDraw.Draw(strip)
        for number, text in enumerate([heading, *self._lines]):
            fill = (215, 215, 215) if number else (255, 255, 255)
            draw.text((6, 4 + number * self._line), text, fill=fill, font=self._font)
        return np.concatenate([picture, np.asarray(strip)])

    def _wrapped(self, text: str, width: int) -> list[str]:
        lines: list[str] = []
        for paragraph in text.splitlines():
            line = ""
            for word in paragraph.split():
                longer = f"{line} {word}".strip()
                if line and self._font.getlength(longer) > width:
                    lines.append(line)
                    longer = word
                line = longer
            lines.append(line)
        return lines
