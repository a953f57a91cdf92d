"""Turn bytes of a claimed, unknown or wrong charset into text without ever raising."""

from __future__ import annotations

import codecs

# What mail really says, and the codec it means: WHATWG reads the Latin family as Windows does.
ALIASES = {
    "": "utf-8",
    "unknown-8bit": "",
    "x-unknown": "",
    "unknown": "",
    "default": "",
    "default_charset": "",
    "binary": "",
    "8bit": "",
    "7bit": "us-ascii",
    "ansi_x3.110-1983": "iso-8859-1",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "iso-8859-6-i": "iso-8859-6",
    "iso-8859-11": "cp874",
    "tis-620": "cp874",
    "windows-874": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb_2312-80": "gb18030",
    "x-gbk": "gb18030",
    "cp936": "gb18030",
    "big5": "big5hkscs",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "euc-kr": "cp949",
    "iso-2022-jp": "iso2022_jp_ext",
    "cp932": "cp932",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "cp-850": "cp850",
    "utf8": "utf-8",
    "utf-8mb4": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
    "x-windows-949": "cp949",
    "windows-1252http-equivcontent-type": "cp1252",
}
NOT_FOR_MAIL = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "unicode-escape",
                          "raw-unicode-escape", "mbcs", "oem"})  # fmt: skip
SHORT = 60  # bytes below which a detector guesses
DETECT_BYTES = 20_000  # enough evidence for any detector, and a bound on its time


def codec_for(charset: str) -> str:
    """The Python codec for a charset name as mail writes it, empty when unknown.

    Only text codecs are returned: `codecs.lookup("zip")` exists, and a mail may name it.
    """
    name = charset.strip().strip("\"'").lower().split("*")[0].split(";")[0].strip()
    name = ALIASES.get(name, name)
    if not name:
        return ""
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return ""
    return info.name if info._is_text_encoding and info.name not in NOT_FOR_MAIL else ""


def decode(content: bytes, charset: str = "") -> tuple[str, str]:
    """Decode bytes, trusting the label only as far as it holds.

    Args:
        content: the bytes of a text.
        charset: the charset the mail claims, may be empty or nonsense.

    Returns:
        The text, free of lone surrogates, and a defect, empty when the label was right.
    """
    text, defect = _decode(content, charset)
    return text.encode("utf-8", "replace").decode("utf-8"), defect


def _decode(content: bytes, charset: str) -> tuple[str, str]:
    codec = codec_for(charset)
    if codec:
        try:
            return content.decode(codec), ""
        except (UnicodeError, ValueError):
            pass
    problem = f"charset {charset!r} does not fit" if codec else f"charset {charset!r} is unknown"
    try:
        return content.decode("utf-8"), "" if not charset else problem + ", read as utf-8"
    except UnicodeDecodeError:
        pass
    if codec:
        # A few bad bytes in an otherwise right text: keep what the label says when little is lost.
        text = content.decode(codec, "replace")
        if text.count("\ufffd") * 50 <= len(text):
            return text, problem + " everywhere, bad bytes replaced"
    detected = detect(content)
    return content.decode(detected, "replace"), f"{problem}, read as {detected}"


def detect(content: bytes) -> str:
    """Guess the codec of bytes that are not UTF-8; cp1252 when nothing is likelier.

    A short text that is mostly ASCII is Western by far most often, and too short for a detector.
    """
    import chardet

    high = sum(byte > 127 for byte in content[:DETECT_BYTES])
    if len(content) < SHORT and high * 3 < len(content):
        return "cp1252"
    guess = chardet.detect(content[:DETECT_BYTES])
    codec = codec_for(guess.get("encoding") or "")
    return codec if codec and (guess.get("confidence") or 0) > 0.3 else "cp1252"
