"""What a spam filter before us found, read from the header fields that filters write."""

from __future__ import annotations

import re
from collections.abc import Callable

from helpdesk_daemon.mail.message import Headers

MAX_VALUE = 500
MICROSOFT_SPAM = 5  # a spam confidence level of 5 or more is spam, whatever scale other filters use

SCORE = re.compile(r"(?:score|hits)\s?=\s?(-?\d{1,5}(?:\.\d{1,5})?)", re.IGNORECASE)
NUMBER = re.compile(r"\s*(-?\d{1,5}(?:\.\d{1,5})?)")
RSPAMD = re.compile(r"[^\[]{0,60}\[\s?(-?\d{1,5}(?:\.\d{1,5})?)\s?/")
LEVEL = re.compile(r"\s*([*+sx]{1,100})\s*$", re.IGNORECASE)
SCL = re.compile(r"(?:^|;)\s*SCL:(-?\d{1,2})", re.IGNORECASE)
YES = re.compile(r"\s*(?:yes|true|spam)\b", re.IGNORECASE)
RSPAMD_SPAM = re.compile(r"\s*(?:add header|rewrite subject|reject|soft reject)\b", re.IGNORECASE)
PROOFPOINT = re.compile(r".{0,200}\brule=(?:\w{1,40}_)?(?:spam|phish|malware)\b", re.IGNORECASE)


def _score(pattern: re.Pattern[str]) -> Callable[[str], float | None]:
    def read(value: str) -> float | None:
        match = pattern.search(value)
        return float(match.group(1)) if match else None

    return read


def _stars(value: str) -> float | None:
    match = LEVEL.match(value)
    return float(len(match.group(1))) if match else None


def _says(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda value: bool(pattern.match(value))


def _level(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    def read(value: str) -> bool:
        match = pattern.search(value)
        return bool(match) and int(float(match.group(1))) >= MICROSOFT_SPAM if match else False

    return read


# Fields with a score on the scale of SpamAssassin, and fields that only say yes or no.
SCORES: tuple[tuple[str, Callable[[str], float | None]], ...] = (
    ("X-Spam-Score", _score(NUMBER)),
    ("X-Spam-Status", _score(SCORE)),
    ("X-Spamd-Result", _score(RSPAMD)),
    ("X-Rspamd-Score", _score(NUMBER)),
    ("X-Barracuda-Spam-Score", _score(NUMBER)),
    ("X-Barracuda-Spam-Status", _score(SCORE)),
    ("X-Spam-Level", _stars),
)
VERDICTS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("X-Spam-Flag", _says(YES)),
    ("X-Spam-Status", _says(YES)),
    ("X-Spam", _says(YES)),
    ("X-Barracuda-Spam-Flag", _says(YES)),
    ("X-Rspamd-Action", _says(RSPAMD_SPAM)),
    ("X-Proofpoint-Spam-Details", _says(PROOFPOINT)),
    ("X-MS-Exchange-Organization-SCL", _level(NUMBER)),
    ("X-Forefront-Antispam-Report", _level(SCL)),
)


def spam_reason(fields: Headers, threshold: float | None) -> str:
    """Why a filter's header fields make a mail spam, in words; empty when they do not.

    The topmost field of a name counts, as filters write above what came with the mail. A score is
    compared with the threshold; a plain yes counts only where no score stands.

    Args:
        fields: header fields of the mail, topmost first.
        threshold: score from which a mail is spam; None believes no such field, as any sender may
            write one and only the operator knows whether a filter of ours takes them out.
    """
    if threshold is None:
        return ""
    scored = False
    for name, read in SCORES:
        score = read(fields.get(name)[:MAX_VALUE]) if name in fields else None
        if score is not None and score >= threshold:
            return f"spam score {score:g} in {name}, threshold {threshold:g}"
        scored = scored or score is not None
    for name, says in VERDICTS:
        microsoft = name.startswith(("X-MS-", "X-Forefront"))
        if (microsoft or not scored) and name in fields and says(fields.get(name)[:MAX_VALUE]):
            return f"spam according to {name}"
    return ""
