"""Names in the languages that the API speaks (contract section 5). Pure."""

from collections.abc import Mapping

LANGUAGES = ("en", "zh", "ja")
_WORDS: dict[str, tuple[str, str]] = {
    "Bag": ("包袋", "バッグ"),
    "Footwear": ("鞋履", "フットウェア"),
    "Watch": ("腕表", "腕時計"),
    "Crossbody": ("斜挎包", "クロスボディ"),
    "Sneakers": ("运动鞋", "スニーカー"),
    "Front": ("正面", "前面"),
    "Back": ("背面", "背面"),
    "Sole": ("鞋底", "ソール"),
    "Base": ("底部", "底"),
    "Serial Number": ("序列号", "シリアル番号"),
}


def choose_language(headers: Mapping[str, str]) -> str:
    """The language that a request asks for; English if it asks for none that there is."""
    asked = headers.get("Accept-Language", "").partition(",")[0].partition(";")[0].partition("-")[0].strip().lower()
    return asked if asked in LANGUAGES else LANGUAGES[0]


def translate(name: str, language: str) -> str:
    """A name in a language; what has no translation stays English."""
    place = LANGUAGES.index(language)
    return name if place == 0 or name not in _WORDS else _WORDS[name][place - 1]
