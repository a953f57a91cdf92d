"""Mail in a language that the model was not made for: its vote counts where examples in that language voted, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from helpdesk_daemon.ports import LanguageOf
from helpdesk_daemon.triage.vote import Vote

NEAREST, ENOUGH = 5, 3  # of so many nearest examples, so many must be in the mail's language


def reserve(voted: Vote | None, language: str, spoken: Sequence[str], language_of: LanguageOf) -> Vote | None:
    """Mark a vote as not to be trusted where neither the model nor the examples know the language.

    Args:
        voted: the vote; None for none.
        language: of the mail, empty when unknown.
        spoken: languages that the model was made for; none for all.
        language_of: names the language of an example.
    """
    if voted is None or not language or not spoken or language in spoken:
        return voted
    alike = sum(language_of(near.text) == language for near in voted.neighbours[:NEAREST])
    return voted if alike >= ENOUGH else replace(voted, foreign=language)
