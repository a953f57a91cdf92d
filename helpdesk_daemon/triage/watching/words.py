"""Words by which people know a crowd of tickets again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

WORD = re.compile(r"[^\W\d_][\w'-]*[^\W_]")
FEWEST = 3  # subjects that must share a word: what only one person writes is nobody else's business
MOST = 6
# Words that say nothing of a topic, in the languages that support mail mostly comes in.
EMPTY_WORDS = """
a about after all am an and any are as at be but by can cannot could did do does for from get had has have how i if in
into is it its just me my need no not of on or our out please problem question so some still that the their there they
this to up us was we what when where which who why will with would you your re fwd aw wg fw help
aber als am auf aus bei bitte das dem den der des die ein eine einen er es frage für hilfe ich ihr im in ist kann mein
meine mit nach nicht nur oder problem seit sich sie sind und vom von vor wann was wie wir zu zum zur
au aux avec ce ces dans de des du elle en est et je la le les mais mon nous ou par pas pour que qui sur un une vous
al con del el en es la las lo los mi no para pero por que se sin su un una y il per non che di
"""
EMPTY = frozenset(EMPTY_WORDS.split())


def common_words(subjects: Sequence[str]) -> tuple[str, ...]:
    """Words that at least three subjects share, most frequent first, at most six."""
    shared = Counter(word for subject in subjects for word in dict.fromkeys(_words(subject)))
    ranked = sorted(shared.items(), key=lambda item: (-item[1], item[0]))
    return tuple(word for word, count in ranked if count >= FEWEST)[:MOST]


def _words(subject: str) -> list[str]:
    return [word for word in WORD.findall(subject.casefold()) if word not in EMPTY and "@" not in word]
