"""Tell what the sender wrote now from what the mail client quoted, signed or added."""

from __future__ import annotations

import re

# Stands in every forward; a reply is cut above it, so that nothing inside can travel to a customer.
REPLY_MARKER = "— Please write above this line —"

# "On 3 May 2026, Ann wrote:" as mail clients say it; folded over up to three lines when it begins so.
OPENING = re.compile(r"^[ \t]*(?:On|Am|Le|El|Em|Il|Op|W|Dnia|Den|På|Am)\b", re.IGNORECASE)
ANCHORED = re.compile(
    r"[ \t]*(?:On\b.{5,300}\bwrote|Am\b.{5,300}\bschrieb\b.{0,100}|Le\b.{5,300}\ba\s+écrit|El\b.{5,300}\bescribió"
    r"|Em\b.{5,300}\bescreveu|Il\b.{5,300}\bha\s+scritto|Op\b.{5,300}\bschreef\b.{0,100}|(?:W\s+dniu|Dnia)\b.{5,300}\bnapisał(?:\(a\)|a)?\b.{0,100}"
    r"|(?:Den|På)\b.{5,300}\bskrev\b.{0,100})\s?[:：]?\s*",
    re.IGNORECASE,
)
# The same, where only its end tells: the name and address come first.
ENDING = re.compile(
    r"(?:пишет|написал\(а\)|написал|написала|写道|写到|のメール|書きました"
    r"|>\s?(?:wrote|schrieb|a écrit|escribió|escreveu|ha scritto|schreef|napisał\(a\)|napisał|napisała|skrev))\s?[:：]?\s*$"
    r"|^\s*\d{4}[-/年]\s?\d{1,2}[-/月].{3,150}@[^\s<>]{1,255}>?\s?[:：]?\s*$",
    re.IGNORECASE,
)
SEPARATOR = re.compile(
    r"^[ \t]*-{2,}[ \t]*(?:Original Message|Ursprüngliche Nachricht|Originalnachricht|Message d'origine|Message original"
    r"|Mensaje original|Mensagem original|Messaggio originale|Oorspronkelijk bericht|Oryginalna wiadomość|Wiadomość oryginalna"
    r"|Ursprungligt meddelande|Oprindelig meddelelse|Opprinnelig melding|Исходное сообщение|原始邮件|元のメッセージ)[ \t]*-*[ \t]*$",
    re.IGNORECASE,
)
FORWARDED = re.compile(
    r"^[ \t]*(?:-{2,}[ \t]*(?:Forwarded message|Weitergeleitete Nachricht|Message transféré|Mensaje reenviado|Messaggio inoltrato)"
    r"|Begin forwarded message:)",
    re.IGNORECASE,
)
FROM_FIELD = re.compile(r"^[ \t]*\*?(?:From|Von|De|Da|Van|Od|Från|Fra|От|发件人|差出人)[ \t]?\*?[:：]\*?[ \t]?\S")
OTHER_FIELD = re.compile(
    r"^[ \t]*\*?(?:Sent|Date|To|Subject|Gesendet|Datum|An|Betreff|Envoyé|À|Objet|Enviado|Fecha|Para|Asunto|Data|Inviato|A|Oggetto"
    r"|Verzonden|Aan|Onderwerp|Wysłano|Do|Temat|Skickat|Till|Ämne|Sendt|Til|Emne|Dato|Отправлено|Дата|Кому|Тема|发送时间|收件人|主题"
    r"|送信日時|宛先|件名)[ \t]?\*?[:：]"
)
RULER = re.compile(r"^[ \t]*_{10,}[ \t]*$")
SIGNATURE = re.compile(
    r"^(?:--[ \t]?|Sent from (?:my |Yahoo|Outlook|Mail for).*|Get Outlook for .*|Von meinem .{2,40} gesendet.*"
    r"|Envoyé de(?:puis)? mon .*|Enviado desde mi .*|Enviado do meu .*|Inviato da(?:l mio)? .*|Verzonden vanaf .*|Skickat från .*"
    r"|Sendt fra .*|Wysłane z .*|Отправлено с .*)$",
    re.MULTILINE | re.IGNORECASE,
)
MAX_SCAN = 100_000  # characters looked at; what is beyond is a quote or an attack
MAX_LINE = 400  # characters of a line that can introduce a quote
BELOW = 4  # lines below an attribution in which its quote must begin to be told by its marks


def new_text(text: str) -> str:
    """The part of a body its sender wrote now, without quotes and without the signature.

    Quotes (behind `>` or below an attribution), a signature after `-- ` (RFC 3676 section 4.3) and
    mail-client footers are set aside. A forwarded mail is what its sender wants read, so it stays.

    Args:
        text: the whole body, line breaks as `\\n`.

    Returns:
        Text without leading and trailing empty lines; empty when everything was quoted.
    """
    own = own_text(text, keep_forwarded=True)
    signature = SIGNATURE.search(own)
    return own[: signature.start()].strip() if signature else own


def own_text(text: str, keep_forwarded: bool = False) -> str:
    """The part of a body its sender wrote now, signature included; nothing quoted or forwarded is left.

    Args:
        text: the whole body, line breaks as `\\n`.
        keep_forwarded: everything from a forwarded mail on stays.
    """
    lines = text[:MAX_SCAN].split("\n")
    kept: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if REPLY_MARKER[2:-2] in line or SEPARATOR.match(line[:MAX_LINE]) or _header_block(lines, at):
            break
        if FORWARDED.match(line[:MAX_LINE]):
            kept += lines[at:] if keep_forwarded else []
            break
        folded = _attribution(lines, at)
        if folded:
            at += folded
            # With `>` marks the lines themselves tell quote from answer; without, all below is the quote.
            if not any(below.startswith(">") for below in lines[at : at + BELOW]):
                break
            continue
        if not line.lstrip(" ").startswith(">"):
            kept.append(line)
        at += 1
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()


def _attribution(lines: list[str], at: int) -> int:
    """How many lines from here on say who wrote the quote below; 0 for none."""
    first = lines[at]
    if len(first) > MAX_LINE or not first.strip():
        return 0
    if ENDING.search(first):
        return 1
    if not OPENING.match(first):
        return 0
    joined = ""
    for count, line in enumerate(lines[at : at + 3], 1):
        if not line.strip() or len(line) > MAX_LINE:
            return 0
        joined = f"{joined} {line.strip()}".strip()
        if ANCHORED.fullmatch(joined):
            return count
    return 0


def _header_block(lines: list[str], at: int) -> bool:
    """Whether the header fields of a quoted mail begin here, as Outlook writes them."""
    if RULER.match(lines[at][:MAX_LINE]):
        following = [line for line in lines[at + 1 : at + 4] if line.strip()]
        return bool(following) and bool(FROM_FIELD.match(following[0][:MAX_LINE]))
    if not FROM_FIELD.match(lines[at][:MAX_LINE]):
        return False
    return any(OTHER_FIELD.match(line[:MAX_LINE]) for line in lines[at + 1 : at + 4])
