"""What mail clients of many languages write around a quote: the words by which `quotes` knows one.

Tables only, a language or a client a line. Words stand as the clients write them; `words` makes one pattern of a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


def words(table: Iterable[str]) -> str:
    """One alternation of phrases, the longest first, any white space between their words."""
    split = {phrase for line in table for phrase in line.split(" | ")}
    return "|".join(re.escape(p).replace(r"\ ", r"\s{1,3}") for p in sorted(split, key=lambda p: (-len(p), p)))


# "On 3 May 2026, Ann wrote:" begins with one of these where the language has such a word.
OPENINGS = (
    "On | At | In | Quoting",
    "Am | Zitat von",
    "Le",
    "El | Citando",
    "Em | A",
    "Il | In data",
    "Op",
    "W dniu | Dnia | W dn.",
    "Den | På",
    "В | От",
    "在 | 于",
)
VERBS = (
    "wrote | writes",
    "schrieb | schrieben | hat geschrieben | schreibt",
    "a écrit | écrivait | écrit",
    "escribió | ha escrito | escribio",
    "escreveu",
    "ha scritto | scrive | scrisse",
    "schreef | heeft geschreven | schreven",
    "napisał(a) | napisał/a | napisał | napisała | pisze",
    "skrev | skrifaði",
    "пишет | написал(а) | написал | написала | писал | писала | написав | написала | пише",
    "kirjoitti",
    "写道 | 写到 | 寫道 | 撰寫",
    "のメール | 書きました | 書いた | のメッセージ",
    "작성",
    "írta | ezt írta",
    "napsal(a) | napsal | napsala | napísal(a)",
    "şunu yazdı | yazdı",
    "a scris",
    "έγραψε",
    "כתב | כתבה",
)
ORIGINAL = (
    "Original Message | Original message | Original Appointment | Reply message | Quoted message",
    "Ursprüngliche Nachricht | Originalnachricht | Original-Nachricht | Ursprünglicher Termin",
    "Message d'origine | Message d’origine | Message original | Message initial",
    "Mensaje original",
    "Mensagem original | Mensagem Original",
    "Messaggio originale | Messaggio Originale",
    "Oorspronkelijk bericht | Oorspronkelijk Bericht | Origineel bericht",
    "Oryginalna wiadomość | Wiadomość oryginalna | Wiadomość pierwotna",
    "Ursprungligt meddelande | Originalmeddelande",
    "Oprindelig meddelelse | Original meddelelse | Oprindelig besked",
    "Opprinnelig melding | Original melding",
    "Исходное сообщение | Исходное письмо | Оригинальное сообщение",
    "Alkuperäinen viesti",
    "原始邮件 | 原始郵件 | 邮件原件 | 原邮件",
    "元のメッセージ | オリジナルメッセージ | Original Message / 元のメッセージ",
    "Eredeti üzenet | Původní zpráva | Pôvodná správa | Orijinal mesaj | Mesaj original | 원본 메시지",
)
FORWARDED = (
    "Forwarded message | Begin forwarded message | Begin forwarded text | Start of forwarded message | Forwarded by | Forwarded mail | Fwd message",
    "Weitergeleitete Nachricht | Weitergeleitet von",
    "Message transféré | Message réexpédié | Message réacheminé",
    "Mensaje reenviado | Mensaje transmitido",
    "Mensagem encaminhada | Mensagem reencaminhada",
    "Messaggio inoltrato | Messaggio Inoltrato",
    "Doorgestuurd bericht | Doorgestuurde bericht",
    "Wiadomość przekazana dalej | Treść przekazanej wiadomości | Przekazana wiadomość | Przekazywana wiadomość",
    "Vidarebefordrat meddelande | Vidarebefordrat mejl",
    "Videresendt meddelelse | Videresendt besked",
    "Videresendt melding | Videresendt e-post",
    "Пересылаемое сообщение | Пересланное сообщение | Переадресованное сообщение | Перенаправленное сообщение",
    "Välitetty viesti | Edelleenlähetetty viesti",
    "转发邮件 | 转发的邮件 | 轉寄郵件 | 转发邮件信息",
    "転送されたメッセージ | 転送メッセージ",
)
BEGIN_FORWARDED = (
    "Begin forwarded message | Start of forwarded message",
    "Anfang der weitergeleiteten Nachricht | Anfang der weitergeleiteten E-Mail",
    "Début du message réexpédié | Début du message transféré",
    "Inicio del mensaje reenviado",
    "Início da mensagem reencaminhada | Início da mensagem encaminhada",
    "Inizio messaggio inoltrato | Inizio del messaggio inoltrato",
    "Begin doorgestuurd bericht",
    "Początek przekazywanej wiadomości",
    "Vidarebefordrat brev | Vidarebefordrat mejl",
    "Start på videresendt besked | Start på videresendt meddelelse",
    "Videresendt melding | Start på videresendt melding",
    "Начало переадресованного сообщения | Начало пересылаемого сообщения",
    "Välitetty viesti alkaa",
    "开始转发的邮件 | 下面是被转发的邮件 | 以下是轉寄的郵件",
    "転送されたメッセージ",
)
# The header fields of a quoted mail, by what they say.
FIELDS = {
    "from": (
        "From | Von | De | Da | Van | Od | Från | Fra | От | От кого | Від | 发件人 | 寄件者 | 寄件人 | 差出人 | 送信者",
        "Absender | Expéditeur | Remitente | Remetente | Mittente | Afzender | Nadawca | Avsändare | Afsender | Avsender | Отправитель",
        "Lähettäjä | Feladó | Kimden | Gönderen | De la | Από | 보낸 사람 | מאת",
    ),
    "sent": (
        "Sent | Gesendet | Gesendet am | Envoyé | Envoyé le | Enviado | Enviado el | Enviada | Enviada em | Enviado em | Inviato | Inviato il",
        "Verzonden | Verstuurd | Wysłano | Wysłane | Skickat | Skickades | Sendt | Отправлено | Надіслано | Lähetetty | 发送时间 | 寄件日期",
        "傳送時間 | 送信日時 | Elküldve | Gönderilme | Gönderildi | Trimis | Odesláno | Odoslané | Στάλθηκε | 보낸 날짜 | Message du",
    ),
    "date": (
        "Date | Datum | Fecha | Data | Dato | Дата | 日期 | 日時 | 日付 | Päivämäärä | Päiväys | Dátum | Tarih | Date d'envoi",
    ),
    "to": (
        "To | An | À | A | Para | Aan | Do | Till | Til | Кому | Komu | 收件人 | 收件者 | 宛先 | Pour | Vastaanottaja | Címzett | Kime",
        "Către | Προς | 받는 사람 | Empfänger | Destinataire | Destinatario | Destinatário | Ontvanger | Adresat | Mottagare | Modtager",
        "Mottaker | Получатель",
    ),
    "cc": (
        "Cc | CC | Bcc | Kopie | Kopie (CC) | Copie | Copie à | Kopia | Kopi | Копия | 抄送 | 副本 | Copia | Cópia",
    ),
    "subject": (
        "Subject | Betreff | Objet | Sujet | Asunto | Assunto | Oggetto | Onderwerp | Temat | Ämne | Emne | Тема | 主题 | 主旨 | 件名",
        "Aihe | Tárgy | Konu | Subiect | Předmět | Predmet | Θέμα | 제목",
    ),
    "other": (
        "Reply-To | Importance | Priority | Attachments | Antwort an | Wichtigkeit | Anlagen | Priorité | Pièces jointes | Datos adjuntos",
        "Anexos | Allegati | Bijlagen | Załączniki | Organization | Sensitivity | Message-ID | Prioridad | Importancia",
    ),
}
# What stands in a website form beside From and Subject, and never in the head of a quoted mail.
FORM_FIELDS = (
    "Message | Name | First name | Last name | Email | E-mail | Phone | Telephone | Mobile | Company | Comments | Comment | Order number",
    "Nachricht | Vorname | Nachname | Telefon | Firma | Kundennummer | Nom | Prénom | Téléphone | Société | Nombre | Teléfono | Mensaje",
    "Empresa | Nome | Cognome | Telefono | Messaggio | Mensagem | Telefone | Naam | Bericht | Telefoon | Imię | Wiadomość | Имя | Телефон | Сообщение",
)
# "Please write above this line", as ticket systems ask for it.
ABOVE_LINE = (
    "above this line | above the line | above this dotted line | above this text",
    "oberhalb dieser Linie | oberhalb dieser Zeile | über dieser Linie | über dieser Zeile | über diese Linie | über diese Zeile",
    "au-dessus de cette ligne | au dessus de cette ligne | au-dessus de la ligne",
    "por encima de esta línea | encima de esta línea | sobre esta línea | arriba de esta línea",
    "acima desta linha | acima dessa linha",
    "sopra questa linea | sopra questa riga | al di sopra di questa riga | al di sopra di questa linea",
    "boven deze lijn | boven deze regel",
    "powyżej tej linii | nad tą linią",
    "ovanför den här raden | ovanför denna rad | ovanför den här linjen | ovanför denna linje",
    "over denne linje | over denne linjen | over linjen | ovenfor denne linje",
    "выше этой линии | выше этой строки | выше этой черты | над этой чертой | над этой строкой",
    "在此行上方 | 在这行之上 | 此行以上 | 此線上方 | 在此行之上",
    "この行より上 | この線より上 | この行の上",
)
FORWARD_SUBJECT = re.compile(
    r"\s{0,5}(?:fwd?|wg|tr|rv|enc|i|doorst|fs|pd|vb|vs|vl|videresendt|転送|转发|轉寄|пересл)\s{0,2}[:：]", re.IGNORECASE
)
