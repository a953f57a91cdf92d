"""What bounces say, in the words of many servers and languages; read by `bounce` and `bounce_text`."""

from __future__ import annotations

import re

from helpdesk_daemon.mail.linear import linear

# Who sends bounces: local parts nobody else has, and display names of mail servers.
DAEMON = re.compile(
    r"^(?:mailer[-_.]?daemon|mail[-_.]?daemon|mdaemon|mail[-_.]?delivery|mail[-_.]?delivery[-_.]?(?:sub[-_.]?)?system|double-bounce"
    r"|microsoftexchange[0-9a-f]{32}|mail[-_.]?system|no-?reply-?bounce|e500_smtp_mail_service|[\w.-]{0,40}antivirus[\w.-]{0,40}gateways?)(?:@|$)",
    re.IGNORECASE,
)
DAEMON_NAME = re.compile(
    r"\b(?:mailer.?daemon|mail deliver[yr]?(?: sub)?\s?(?:system|agent|service)|internet mail delivery|delivery (?:sub)?system|system administrator"
    r"|systemadministrator|administrateur système|administrador del sistema|amministratore di sistema|systeembeheerder|microsoft outlook$|bounce manager)",
    re.IGNORECASE,
)
POSTMASTER = re.compile(r"^(?:postmaster|mailserver|mailsystem)(?:@|$)", re.IGNORECASE)

SUBJECT = linear(
    r"undeliver(?:able|ed)|non-?delivery|nondeliverable|delivery (?:status notification|failure|failed|has failed|report|problem|error|incomplete|notification|delay)"
    r"|returned? (?:e-?)?mail|returned to sender|return receipt failed|mail delivery|mail (?:system )?error|failure notice|failure notification|(?:not|could not|cannot|can't|couldn't|wasn't|unable to) (?:be )?deliver"
    r"|message delivery|delivery of your m|mail failure|mail status report|user unknown|unknown user|unknown recipient|processing error|error sending your|warning: (?:could not send|message .{1,80}delayed)|delayed mail"
    r"|message delayed|mail delayed|automatically rejected mail|rejected mail|message rejected|mail rejected"
    r"|unzustellbar|nicht zugestellt|nicht zustellbar|unzustellbarkeit|zustell(?:ung|bericht).{0,60}(?:fehl|verzöger)|zustellung (?:verzögert|fehlgeschlagen)|zustellfehler"
    r"|non[ -]remis|non[ -]distribu|échec de (?:la )?(?:remise|distribution|livraison)|avis de non|remise (?:différée|retardée)"
    r"|no se (?:pudo|puede|ha podido) entregar|no entregad[oa]|no entregable|correo devuelto|mensaje devuelto|error de entrega|fallo (?:en la|de) entrega"
    r"|mancato recapito|mancata consegna|non recapitabile|non consegnat|impossibile (?:consegnare|recapitare)"
    r"|não entregue|não foi (?:possível )?entreg|falha na entrega|não é possível entregar|mensagem devolvida|e-?mail devolvido"
    r"|onbestelbaar|niet bezorgd|niet afgeleverd|bezorging mislukt|kan niet worden (?:bezorgd|afgeleverd)"
    r"|niedostarczon|nie dostarczono|nie można dostarczyć|niedoręcz|zwrot poczty"
    r"|kunde inte levereras|oleverer|gick inte att leverera|kunne ikke leveres|ikke leveret|ikke levert|kan ikke leveres"
    r"|ei voitu toimittaa|toimittamaton|toimitus epäonnistui|nedoručiteln|nedoručen|teslim edilemedi|iletilemedi|kézbesíthetetlen|nem kézbesíthető|kézbesítés sikertelen"
    r"|не (?:было |может быть )?доставлен|недоставлен|невозможно доставить|ошибка доставки|не удалось доставить|возврат (?:письма|сообщения)"
    r"|退信|无法投递|無法投遞|投递失败|未送达|無法傳遞|無法送達|传送失败|传输失败|發送失敗"
    r"|配信(?:できません|不能|エラー|に失敗)|送信(?:できません|エラー|に失敗)|配達不能|未配信|エラーメール"
)
ANSWER_OR_FORWARD = re.compile(
    r"^\s*(?:(?:re|aw|sv|vs|antw|odp|ynt|fwd?|wg|tr|rv|enc|i|fs|pd)\s*(?:\[\d{1,3}\])?\s*[::]\s*)+", re.IGNORECASE
)

# How a notice begins. Machines write no greeting, so these are only looked for at the very beginning.
OPENING = linear(
    r"(?:message|mail|e-?mail|letter)\b.{0,120}\b(?:not|unable to) (?:be )?(?:delivered|reach)|(?:could|can) ?not (?:be )?deliver|couldn't (?:be )?deliver|cannot deliver|unable to deliver|not able to deliver|wasn't able to deliver|undeliverable"
    r"|did not reach|didn't reach|did not receive|could not be (?:reached|sent)|delivery (?:to|of) .{0,120}(?:fail|abort|delay)|del[ie]very (?:has |attempt)?(?:fail|error)|delivery failed|delivery (?:status )?notification|delivery (?:failure|error)|delivery problems|delivery error"
    r"|trouble delivering|problem delivering|error delivering|error while trying to deliver|error occurred .{0,60}deliver|this is the (?:mail|qmail|postfix|deliver|machine|dragonfly|email)|this is the .{1,60} program|the mta program at|created automatically by mail delivery"
    r"|(?:following|these) (?:e-?mail )?(?:address|recipient)(?:e?s|\(es\)|\(s\))?\b.{0,60}(?:fail|had|error|not|could)|permanent (?:fatal )?errors?|delivery errors|fatal errors|failed recipient|failed address|transcript of session"
    r"|invalid final delivery userid|mailbox (?:is )?(?:full|exceeds|unavailable)|user mailbox exceeds|intended recipient:|no such user|user unknown|unknown user|does(?: not|n't) exist|over (?:disk )?quota|automatically rejected|was rejected|has been (?:returned|rejected)|returned to you|returned (?:to sender|mail)|been delayed|not yet been delivered|non-delivery"
    r"|nicht zugestellt|nicht zustellbar|konnte nicht|konnten nicht|unzustellbar|fehler bei der (?:nachrichten)?zustellung|übermittlung .{0,80}fehlgeschlagen|empfänger (?:unbekannt|existiert)|verzögert"
    r"|n'a pas (?:pu|été)|n'ont pas pu|impossible de (?:remettre|livrer|distribuer|transmettre)|échec de (?:la )?(?:remise|distribution|livraison)|la remise a échoué|n'est pas parvenu"
    r"|no se (?:pudo|puede|ha podido|ha entregado)|no ha podido ser entregad|no pudo ser entregad|error al entregar|no ha sido entregad"
    r"|impossibile (?:consegnare|recapitare)|non (?:è stato|e' stato|può essere|è stato possibile) .{0,30}(?:consegn|recapit)|recapito non riuscito|mancato recapito|mancata consegna"
    r"|não (?:foi|pôde|pode|é) .{0,40}(?:entreg)|falha na entrega|niet (?:worden )?(?:bezorgd|afgeleverd|besteld)|kon niet worden|onbestelbaar|bezorging is mislukt"
    r"|nie (?:mogła|można|została|zostało|udało) .{0,60}(?:dostarcz|doręcz)|kunde inte|gick inte att|kunne ikke|ei voitu|nelze doručit|nebyl[ao]? doruč|teslim edil[ei]m|iletilem|kézbesít"
    r"|не (?:может быть|было|удалось|смог|был[ао]?) .{0,60}достав|не доставлен|невозможно доставить|ошибка доставки"
    r"|无法(?:发送|投递|送达|传递)|無法(?:發送|投遞|送達|傳遞)|退信|未能送达|投递失败|被退回|配信(?:でき|不能|に失敗|エラー)|送信(?:でき|に失敗)|届けることができ|送達でき|お届けできません|届きません",
)

# Where the returned mail begins; what is below is not the server's word.
RETURNED = re.compile(
    r"^\W{0,40}(?:(?:below (?:this|the next) line|here) is (?:a copy|your returned mail)|(?:this|included|attached|following|here) is a copy|a copy of (?:the|your) (?:original|message)|(?:this is )?a copy of (?:the|your) message|copy of (?:the )?message"
    r"|(?:the )?(?:original|returned|unsent|undelivered|old|your|failed) (?:e-?mail |mail )?(?:message|mail|header)s?(?: text| headers?| body)? ?(?:follows|attached|below|reads|header|details|:)|original message|message (?:header|text|headers)s? (?:follows?|attached)"
    r"|(?:the )?header(?:s| of the| and) .{0,40}(?:original|message|follow)|returned (?:mail|message)|start of returned|begin (?:of )?(?:original|returned|message)|message headers follow|mail headers follow|the following is a copy|text of (?:the )?message"
    r"|kopie der (?:nachricht|e-?mail)|ursprüngliche nachricht|originalnachricht|message d'origine|message original|mensaje original|messaggio originale|mensagem original|oorspronkelijk bericht|oryginalna wiadomość|исходное сообщение|原信件|原始邮件|原メール|元のメール|元のメッセージ)",
    re.IGNORECASE,
)
RETURNED_HEADER = re.compile(
    r"^(?:received|return-path|x-originating-ip|dkim-signature|x-received|delivered-to)\s?:\s?\S|^content-type:\s*message/rfc822",
    re.IGNORECASE,
)

# Delays: the server goes on trying, so nobody has failed.
DELAY = re.compile(
    r"not yet been delivered|(?:has|have) (?:not yet|been delayed)|been delayed|delivery (?:is )?delay|will be retried|attempts will continue|(?:will|shall) (?:keep|continue|go on|retry)\b.{0,40}(?:try|deliver|attempt|send)|still (?:being|trying)"
    r"|this is (?:only |just )?a warning|just a warning|warning message only|no action is required|do(?: not|n't) need to (?:resend|take any action|do anything)|(?:delayed|postponed) (?:mail|delivery)|has been postponed|advisory-only"
    r"|wird weiter versucht|verzögert|weitere zustellversuche|sera (?:re)?tentée|retardée|se seguirá intentando|demorad|retrasad|ritard|ulteriori tentativi|atrasad|vertraagd|opóźni|försenad|forsinket|viivästy|zpožděn|gecik|késleltet|отложен|задерж|延迟|延遲|遅延|再送|再試行",
    re.IGNORECASE,
)

# What makes a failure permanent for the address itself, or not.
HARD = re.compile(
    r"(?:user|recipient|mailbox|account|addressee?|address|userid|alias|customer|member|person|inbox)s?\b.{0,40}\b(?:unknown|not (?:known|found|exist|listed|recognized|valid|a valid|active|here|local)|does(?: not|n't) (?:exist|have)|invalid|discontinued|closed|deleted|no longer|rejected: user|lookup failed)"
    r"|(?:unknown|invalid|no such|nonexistent|non-existent|bad|illegal|unrouteable|unrouteable mail|no|not our) (?:user|recipient|mailbox|account|address|addressee|local.?part|person|domain|host|customer|final delivery userid)|no such user|user unknown|no mailbox here|no account|host (?:unknown|not found)|domain (?:not found|does not exist|unknown)|name or service not known"
    r"|nxdomain|no mx\b|null ?mx|indicated no smtp service|domain .{0,20}not reachable|does not accept mail|no longer (?:valid|available|exists|works|employed|with|accept)|has moved|unrouteable|recipientnotfound|resolver\.adr|account that you tried to reach does not exist|name .{0,20}not recognized|unable to look ?up|couldn't find (?:any host|a mail exchanger)|no valid (?:hosts|cert)|not a yahoo|user doesn't have|recipient (?:name is )?not recognized|unbekannt|existiert nicht|n'existe pas|no existe|non esiste|não existe|bestaat niet|nie istnieje|не существует|неизвест|不存在|存在しません",
    re.IGNORECASE,
)
FULL = re.compile(
    r"quota|mailbox (?:is |was )?(?:full|size)|mailfolder is full|(?:inbox|mailbox|folder|account) (?:is )?full|exceeds? (?:allowed|the maximum|maximum)|exceeded .{0,30}(?:storage|size|limit|quota)|too (?:large|big|much mail|many)|insufficient (?:system )?(?:storage|resource|disk)|out of storage|storage|size (?:limit|exceed)|over ?limit",
    re.IGNORECASE,
)
SOFT = re.compile(
    r"disabled|inactive|suspended|frozen"
    r"|temporar|try (?:again|later)|grey-?list|gray-?list|timed? ?out|timeout|deferred|delayed|expired|connection (?:refused|reset|lost|dropped)|could ?n[o']t connect|unable to connect|not responding|no route|loop|hop count|too many hops|spam|virus|malware|junk|blacklist|blocklist|blocked|block list|reputation|policy|dmarc|dkim|\bspf\b|not allowed|unauthenticated|authenticat|relay|denied|refused|content|\bbanned\b|rate|throttl|busy|unavailable or busy|postfach voll|speicher|boîte pleine|buzón lleno|casella piena|caixa cheia|full up|переполн|已满|已滿|容量|一杯",
    re.IGNORECASE,
)

# How a notice names the address, and how a line tells that its address is somebody else's.
ADDRESS_FIELD = re.compile(
    r"[\W_]{0,8}(?:(?:final|original)[- ]recipient\s{0,3}:\s{0,3}(?:(?:rfc822|utf-8)\s{0,2};)?|(?:failed|intended|undeliverable|x-failed|original)[ -]?(?:recipients?|address(?:ee)?)\s{0,3}:|error-for:|recipient:\s{0,3}\[smtp:"
    r"|user's mailbox is full:|undeliverable\s{1,3}to|invalid final delivery userid:|delivery failed(?: \d{1,3} attempts)?:|user mailbox exceeds allowed size:|unknown (?:user|local-?part|address|recipient):)\s{0,8}<?",
    re.IGNORECASE,
)
ADDRESS_WORD = re.compile(
    r"\b(?:deliver(?:y|ed|ing)?|message|e?-?mail|sent|addressed|recipients?|address|mailbox|account|user|errors?|unable|zugestellt|zustellen|zustellung|empfänger|adresse|nachricht|remis|destinataires?|entregar|entregado|destinatario|recapit\w{0,5}|consegn\w{0,5}|entreg\w{0,4}|destinatário|geadresseerden?|ontvangers?|bezorg\w{0,3}|odbiorc\w{1,3}|mottagare\w{0,2}|modtager\w{0,2}|mottaker\w{0,2}|vastaanottaj\w{0,4}|получател\w{1,3}|адрес\w{0,3}|příjemc\w{1,2}|címzett\w{0,3}|alıcı\w{0,3})\b",
    re.IGNORECASE,
)
SENDER_LINE = re.compile(
    r"mail from|return-path|reply-to|x-\w{1,30}-sender|contact|assistance|further help|for help|please (?:send|mail|write|forward|notify)|if you (?:feel|need|think|believe|have)|support|help ?desk|not accepting mail from"
    r"|(?:^|\W)(?:from|sender|von|de|da|absender|to|an|cc|date|subject|message-id|betreff|sent|gesendet|id)\s{0,3}:\W{0,40}$|^\s{0,8}(?:from|sender|reply-to|to|cc|message-id|subject)\s{0,3}:|\bfrom\s{1,3}<?$",
    re.IGNORECASE,
)

# A person writes: how they begin. And words of servers that gave up, although they speak of delays.
GREETING = re.compile(
    r"(?:hi|hello|hey|dear|good (?:morning|day|afternoon|evening)|greetings|thanks|thank you|guten|hallo|liebe[rs]?|sehr geehrte|moin|bonjour|salut|chers?|chère|hola|buen[oa]s|estimad|ciao|buongiorno|gentile|salve|olá|ol[aá]|bom dia|boa tarde|prezad|caro|cara|beste|geachte|goedendag|dag|cześć|dzień dobry|szanown|hej|god dag|hei|kära|kære|kjære|привет|здравствуйте|добрый|уважаем|您好|你好|こんにちは|お世話|dobrý den|ahoj|vážen|merhaba|sayın|szia|jó napot|tisztelt|terve)\b(?!\. (?:this is|the mta))",
    re.IGNORECASE,
)
GIVEN_UP = re.compile(
    r"(?:i've|we've|i have|we have|has) given up|giving up|permanent(?:ly)? (?:fail|error|fatal)|failed permanently|permanent error|(?:removed|deleted) from the (?:mail )?queue|will not (?:be )?(?:retr|tr)|no further (?:attempt|deliver)|could not be delivered (?:for|after|within|in)|undeliverable (?:for|after)|unable to deliver .{0,40}(?:for|after|in)\b|returned to (?:you|sender)|retry timeout exceeded|message expired|dauerhaft|endgültig|définitivement|permanentemente|definitivamente|definitivo",
    re.IGNORECASE,
)
