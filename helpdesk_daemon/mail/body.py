"""Tell what the sender wrote now from what the mail client quoted, signed or added."""

from __future__ import annotations

import re

# Stands in every forward; a reply is cut above it, so that nothing inside can travel to a customer.
REPLY_MARKER = "— Please write above this line —"

# "On 3 May 2026, Ann wrote:" as mail clients say it, on one line or folded over a few.
ATTRIBUTION = re.compile(
    r"^[ \t>]*(?:"
    r"On\b.{5,300}?\bwrote|Am\b.{5,300}?\bschrieb\b.{0,100}?|Le\b.{5,300}?\ba\s+écrit|El\b.{5,300}?\bescribió"
    r"|Em\b.{5,300}?\bescreveu|Il\b.{5,300}?\bha\s+scritto|Op\b.{5,300}?\bschreef\b.{0,100}?"
    r"|(?:W\s+dniu|Dnia)\b.{5,300}?\bnapisał(?:\(a\)|a)?\b.{0,100}?|Den\b.{5,300}?\bskrev\b.{0,100}?"
    r"|.{5,200}?\b(?:пишет|написал\(а\)|написал|написала)|.{5,200}?(?:写道|写到)|.{5,200}?(?:のメール|書きました)"
    r"|\d{4}[-/]\d{1,2}[-/]\d{1,2}.{3,200}?<[^>\n]+@[^>\n]+>"
    r"|.{3,200}?<[^>\n]+@[^>\n]+>\s*(?:wrote|schrieb|a écrit|escribió|escreveu|ha scritto|schreef|napisał|skrev)"
    r")[ \t]?[:：]?[ \t]*$",
    re.MULTILINE | re.DOTALL | re.IGNORECASE,
)
SEPARATOR = re.compile(
    r"^[ \t]*(?:"
    r"-{2,}[ \t]*(?:Original Message|Ursprüngliche Nachricht|Originalnachricht|Message d'origine|Message original"
    r"|Mensaje original|Mensagem original|Messaggio originale|Oorspronkelijk bericht|Oryginalna wiadomość"
    r"|Ursprungligt meddelande|Oprindelig meddelelse|Opprinnelig melding|Исходное сообщение|原始邮件|元のメッセージ)"
    r"[ \t]*-{2,}|_{20,}|-{20,}[ \t]*$"
    r")",
    re.MULTILINE | re.IGNORECASE,
)
FROM_WORDS = "From|Von|De|Da|Van|Od|Från|Fra|От|发件人|差出人"
DATE_OR_TO = (
    "Sent|Date|To|Gesendet|Datum|An|Envoyé|À|Enviado|Fecha|Para|Data|Inviato|A|Verzonden|Aan|Wysłano|Do|Skickat"
    "|Till|Sendt|Til|Dato|Отправлено|Дата|Кому|发送时间|收件人|送信日時|宛先"
)
HEADER_BLOCK = re.compile(
    rf"^[ \t*>]*(?:{FROM_WORDS})[ \t]?\*?[:：]\*?[ \t]?\S[^\n]*\n(?:[^\n]*\n){{0,2}}?[ \t*>]*(?:{DATE_OR_TO})[ \t]?\*?[:：]",
    re.MULTILINE,
)
FORWARDED = re.compile(
    r"^[ \t]*-{2,}[ \t]*(?:Forwarded message|Weitergeleitete Nachricht|Message transféré|Mensaje reenviado)|^Begin forwarded message:",
    re.MULTILINE | re.IGNORECASE,
)
SIGNATURE = re.compile(
    r"^(?:--[ \t]?|__+[ \t]*|Sent from (?:my |Yahoo|Outlook|Mail for).*|Get Outlook for .*|Von meinem .{2,40} gesendet.*"
    r"|Envoyé de(?:puis)? mon .*|Enviado desde mi .*|Enviado do meu .*|Inviato da .*|Verzonden vanaf .*|Skickat från .*"
    r"|Sendt fra .*|Wysłane z .*|Отправлено с .*)$",
    re.MULTILINE | re.IGNORECASE,
)
MAX_SCAN = 40_000  # characters looked at for quotes; patterns stay fast on any text below this


def new_text(text: str) -> str:
    """The part of a body its sender wrote now.

    Quotes (behind `>` or below an attribution), a signature after `-- ` (RFC 3676 section 4.3) and
    mail-client footers are set aside. An empty result means that everything was quoted.

    Args:
        text: the whole body, line breaks as `\\n`.

    Returns:
        Text without leading and trailing empty lines.
    """
    text = text[:MAX_SCAN]
    marker = text.find(REPLY_MARKER[2:-2])
    if marker >= 0:
        text = text[: text.rfind("\n", 0, marker) + 1]
    if FORWARDED.search(text):
        return text.strip()
    text = _cut_quote(text)
    lines = [line for line in text.split("\n") if not line.lstrip().startswith(">")]
    text = "\n".join(lines)
    signature = SIGNATURE.search(text)
    if signature:
        text = text[: signature.start()]
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _cut_quote(text: str) -> str:
    """Cut at the first line that introduces a quote, unless an answer follows below or between it."""
    for pattern in (SEPARATOR, HEADER_BLOCK):
        match = pattern.search(text)
        if match:
            text = text[: match.start()]
    for match in reversed(list(ATTRIBUTION.finditer(text))):
        below = text[match.end() :].lstrip("\n")
        quoted = below.startswith(">") or any(line.startswith(">") for line in below.split("\n")[:4])
        # With `>` marks the lines themselves tell quote from answer; without, all below is the quote.
        text = text[: match.start()] + ("\n" + below if quoted else "")
    return text
