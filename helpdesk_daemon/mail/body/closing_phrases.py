"""What people and mail clients of many languages write at the end of a mail: the words by which `signature` knows it."""

from __future__ import annotations

# "Sent from my iPhone", as phones and programs say it; each is a whole line.
SENT_FROM = (
    r"Sent (?:from|via|using|with|by|on) my .{2,60}",
    r"(?:Sent|Gesendet|Envoyé|Enviado|Inviato|Verzonden|Verstuurd|Wysłane|Wysłano|Skickat|Sendt|Отправлено|Надіслано|Lähetetty|Odesláno)\b"
    r".{0,50}\b(?:iPhone|iPad|iPod|Android\S{0,20}|BlackBerry|Samsung|Galaxy|Huawei|Xiaomi|Nokia|Outlook|Yahoo|Mail|Mail\.ru|Gmail|GMX"
    r"|WEB\.DE|AOL|Proton|ProtonMail|Windows|Zoho|Spark|Mailbird|Thunderbird|Superhuman|Fastmail|Hotmail|Telekom|Orange|tablet"
    r"|smartphone|Handy|mobile?|móvil|mobiltelefon|phone|telefoon|telefonu?|komórki|Tutanota|Tuta|Nine|BlueMail|K-9|FairEmail)\b.{0,60}",
    # Any program that links to itself.
    r"(?:Sent|Gesendet|Envoyé|Enviado|Inviato|Verzonden|Wysłane|Skickat|Sendt) \S{2,6} [^\s<(][^<(]{1,40}[<(]https?://[^\s>)]{1,200}[>)]",
    r"(?:Get|Download) (?:the )?(?:Outlook|BlueMail|Yahoo Mail|new Outlook) (?:app )?(?:for|on) .{2,80}",
    r"Von (?:meinem|meiner|unterwegs) .{0,50}(?:gesendet|gesandt|verschickt|geschickt)\.?",
    r"Gesendet (?:von|mit|über|aus) (?:meinem|meiner|der|dem) .{2,60}",
    r"Diese (?:Nachricht|E-Mail) wurde von mein.{2,80} gesendet\.?",
    r"Outlook für (?:iOS|Android|Mac|Windows) (?:beziehen|herunterladen|abrufen|holen).{0,60}",
    r"(?:Holen|Laden) Sie sich Outlook für .{2,60}",
    r"Envoyé (?:de|depuis|avec|via|à partir de|à l'aide de) (?:mon|ma|la|l'application) .{2,60}",
    r"(?:Télécharger|Obtenir|Obtenez|Téléchargez) Outlook pour .{2,60}",
    r"Enviado (?:desde|con|mediante) (?:mi|la|el) .{2,60}",
    r"(?:Obtener|Descargar|Obtén|Consigue) Outlook para .{2,60}",
    r"Enviado (?:do|da|pelo|pela|via|a partir do|através do) (?:meu|minha) .{2,60}",
    r"(?:Obter|Obtenha|Baixar|Baixe) o? ?Outlook para .{2,60}",
    r"Inviato (?:da|dal|dalla|con|tramite) (?:mio|mia|il mio|la mia) .{2,60}",
    r"(?:Scarica|Ottieni) Outlook per .{2,60}",
    r"(?:Verzonden|Verstuurd) (?:vanaf|vanuit|met|via) mijn .{2,60}",
    r"Outlook voor (?:iOS|Android|Mac) (?:downloaden|ophalen).{0,60}",
    r"(?:Download|Haal) Outlook voor .{2,60}",
    r"Wysłan[eoay] (?:z|ze|za pomocą) (?:mojego|mojej) .{2,60}",
    r"Pobierz (?:aplikację |program )?Outlook .{2,60}",
    r"(?:Skickat|Skickades|Sänt) (?:från|med|via) (?:min|mitt) .{2,60}",
    r"(?:Skaffa|Hämta) Outlook för .{2,60}",
    r"Sendt (?:fra|med|via) (?:min|mit|mitt) .{2,60}",
    r"(?:Hent|Få|Skaff) Outlook (?:til|for) .{2,60}",
    r"Отправлено (?:с|из|через) (?:моего|моей|мобильн\S{1,5}) .{2,60}",
    r"Lähetetty .{2,20}(?:sta|stä|lta|ltä)",
    r"发自(?:我的)?.{2,40}|从我的.{2,40}发送|發自我的.{2,40}|获取 ?Outlook.{0,40}|下载 ?Outlook.{0,40}",
    r".{0,20}(?:iPhone|iPad|Android|スマートフォン|携帯)\S{0,4}から送信.{0,10}|.{0,20}Outlook.{0,10}を入手.{0,60}",
    r"나의 .{2,30}에서 보냄|.{2,30}(?:'|’)?(?:umdan|ımdan|imden) gönderildi",
)
# Lines that an anti-virus program or a mail service appends.
APPENDED = (
    r"(?:This (?:e-?mail|message) (?:has been|was|is) )?(?:virus[- ]?free|virenfrei|sans virus|libre de virus|livre de vírus)\b.{0,120}",
    r"(?:This|Diese|Cet|Este|Esta|Questa|Deze|Ta) .{0,40}\b(?:scanned|checked|geprüft|überprüft|vérifié|comprobado|verificada|controllata"
    r"|gecontroleerd|sprawdzona)\b.{0,60}\b(?:virus\w*|viren|Avast|AVG|malware|MailScanner|antivirus|MessageLabs)\b.{0,160}",
    r"Checked by (?:AVG|Avast|ESET|Norton|McAfee).{0,120}",
    r"(?:https?://)?(?:www\.)?(?:avast|avg)\.(?:com|de|fr)\S{0,200}",
    r"Do you Yahoo!\?.{0,100}|Get your free .{0,40}(?:e-?mail|hotmail|account).{0,80}|Get Your Private, Free E-mail.{0,80}",
    r"(?:Please )?(?:consider|think of) the environment before printing.{0,80}",
    r"(?:Bitte )?(?:denken|prüfen) Sie (?:an die Umwelt|der Umwelt zuliebe).{0,120}",
    r"Pensez à l[’']environnement avant d[’']imprimer.{0,80}",
    r"Antes de imprimir.{0,40}(?:medio ambiente|meio ambiente|mensa?je|mensagem).{0,120}",
)
# A banner that a mail gateway puts above a mail from outside.
BANNER = (
    r"[\[*\s]{0,6}(?:CAUTION|WARNING|ATTENTION|ACHTUNG|VORSICHT|AVERTISSEMENT|PRECAUCIÓN|EXTERNAL(?: E-?MAIL| SENDER| MESSAGE)?)\s?[:!\]*-]{1,6}.{0,40}"
    r"(?:(?:e-?mail|message|Nachricht|courriel|correo|mensaje).{0,60}(?:outside|external|außerhalb|extern\w*|exterieur|extérieur|externo))",
    r"(?:This|Diese) (?:e-?mail|message|Nachricht) (?:originated|came|comes|kommt|stammt) (?:from|von) (?:outside|außerhalb|an external|einem externen).{0,200}",
    r"\[EXTERNAL(?: E-?MAIL| SENDER)?\]\s{0,3}$",
)
# How a disclaimer begins; it must also hold two of the words below.
DISCLAIMER = (
    r"[*_\s]{0,4}(?:confidentiality|privacy|legal|privileged)(?: (?:note|notice|statement|disclaimer|warning))?\b",
    r"[*_\s]{0,4}(?:disclaimer|notice|note|important|warning|attention|aviso legal|aviso|clause de|avertissement|hinweis|wichtiger hinweis)\b",
    r"(?:this|the|any|all) (?:e-?mail|message|communication|transmission|electronic|information|contents?|document)",
    r"the (?:information|content|contents) (?:contained|transmitted|in)\b|if you (?:have received|are not|received)",
    r"(?:diese|dieses|die) (?:e-?mail|mail|nachricht|informationen|mitteilung)|sollten sie nicht|wenn sie nicht|der inhalt dieser",
    r"(?:ce|cet|cette|le|les|si vous) (?:message|courriel|e-?mail|courrier|communication|informations?|contenu|n'êtes|avez reçu)",
    r"(?:este|esta|el|la|si (?:usted )?(?:no|ha)) (?:mensaje|correo|e-?mail|comunicación|información|contenido|es el|recibido)",
    r"(?:esta|este|a|o|as|se) (?:mensagem|e-?mail|informação|informações|conteúdo|recebeu|não|comunicação)",
    r"(?:questo|questa|il|le|la|se|ai sensi) (?:messaggio|e-?mail|informazioni|presente|comunicazione|contenuto|ha ricevuto|non|del)",
    r"(?:dit|deze|de|het|indien|als) (?:bericht|e-?mail|e-mailbericht|informatie|inhoud|u niet|u dit)",
    r"(?:ta|niniejsza|ten|treść|jeżeli|informacje) (?:wiadomość|korespondencja|e-?mail|tej|nie|zawarte|przekaz)",
    r"(?:detta|denna|det här|denne|dette|informationen|informasjonen) (?:meddelande|e-?post\w*|e-?mail|mail|besked|melding|i |mejl)",
    r"(?:данное|это|настоящее|эта|содержание|если вы) (?:сообщение|электронное|письмо|информация|не|получили)",
    r"本(?:邮件|郵件|電子|电子|メール)|この(?:メール|電子メール)",
)
LEGAL_WORDS = (
    r"confidential\w*|privileged|intended (?:only |solely )?(?:for|recipient)|unauthori[sz]ed|disclos\w+|addressee|strictly prohibited|in error"
    r"|delete (?:it|this|the)|dissemination|vertraulich\w*|empfänger|unbefugt\w*|irrtümlich|weitergabe|vernichten|confidentiel\w*|destinataire\w*"
    r"|non autorisée|par erreur|diffusion|destinatari[oa]s?|confidencia\w+|por error|prohibid\w+|divulga\w+|por engano|proibid\w+|riservat\w+"
    r"|per errore|vietat\w+|vertrouwelijk\w*|geadresseerde|ten onrechte|abusievelijk|poufn\w+|adresat\w*|omyłkowo|konfidentiel\w*|mottagare\w*|modtager\w*"
    r"|fortrolig\w*|mottaker\w*|av misstag|ved en fejl|конфиденциальн\w+|адресат\w*|получател\w+|по ошибке|保密|机密|收件人|機密|受信者|宛先|誤って"
)
# The last line before the name. Thanks are not among them: they belong to what was said.
CLOSINGS = (
    r"(?:(?:many )?(?:thanks|thank you)(?: (?:and|&)|,| in advance,?)? )?(?:(?:with|my) )?(?:(?:kind|kindest|best|warm|warmest|many) )?regards",
    r"(?:with )?(?:best|kind|warm) wishes|(?:yours )?(?:sincerely|faithfully|truly|cordially|respectfully)(?: yours)?",
    r"(?:mit )?(?:freundlichen|freundliche|besten|beste|vielen|viele|lieben|liebe|schönen|schöne|herzlichen|herzliche) (?:grüßen?|grüssen?|gruß|gruss)",
    r"mfg|vg|lg|hochachtungsvoll|gruß|grüße|(?:mit )?freundlichem gruß",
    r"(?:bien )?cordialement|(?:sincères |meilleures |cordiales )?salutations(?: distinguées)?|bien à vous",
    r"(?:un )?(?:cordial )?saludos?(?: cordiales)?|atentamente|atte\.?|cordialmente",
    r"atenciosamente|att\.?|(?:com os )?(?:melhores )?cumprimentos|(?:cordiais )?saudações",
    r"(?:cordiali|distinti) saluti|saluti",
    r"(?:met )?(?:vriendelijke|hartelijke) groete?n?|(?:hoogachtend|groeten|groet)",
    r"pozdrawiam(?: serdecznie)?|z (?:poważaniem|wyrazami szacunku)",
    r"(?:med )?(?:vänlig|vänliga|bästa) hälsning(?:ar)?|hälsningar|mvh",
    r"(?:med )?(?:venlig|vennlig|beste|de bedste) (?:hilsen|hilsner|hilsener)|hilsen",
    r"с уважением|с наилучшими пожеланиями",
    r"ystävällisin terveisin|terveisin|s pozdravem|üdvözlettel|saygılarımla",
    r"此致|祝好|敬具|谢谢，?祝好",
)
# A job or a company, as signatures name them.
POSITIONS = (
    r"CEO|CTO|CFO|COO|CIO|VP|Founder|Co-Founder|Managing Director|Director|Manager|Engineer|Developer|Consultant|Assistant|Administrator"
    r"|Head of|President|Analyst|Coordinator|Specialist|Officer|Supervisor|Geschäftsführer(?:in)?|Leiter(?:in)?|Leitung|Vertrieb|Buchhaltung"
    r"|Directeur|Directrice|Responsable|Gérante?|Gerente|Directora?|Diretora?|Responsabile|Direttore|Directeur|Kierownik|Dyrektor|Менеджер|Директор"
)
COMPANIES = r"GmbH|Ltd\.?|Inc\.?|LLC|Corp\.?|PLC|S\.?A\.?R\.?L\.?|S\.A\.|S\.?L\.?|S\.r\.l\.|S\.p\.A\.|B\.V\.|AB|A/S|ApS|Oy|AG|KG|Sp\. z o\.o\.|ООО|e\.K\."
# What the law makes companies write below their mail: register, court, managers, tax number.
REGISTER = (
    r"HR ?[AB]\b|Handelsregister|Registergericht|Amtsgericht|AG [A-ZÄÖÜ]\w+,? HR|Firmenbuch\w*|Geschäftsführ\w+|Aufsichtsrat\w*|Vorstand\w*|Vorsitzende\w*"
    r"|Sitz der Gesellschaft|mit Sitz in|USt-?Id\w*|UID-Nr|haftende\b|Registered Office|Registered in|Commercial Register|Company (?:Reg\w*|No|Number)|VAT(?: Reg\w*)? ?(?:No|Number|ID)"
    r"|RCS\b|SIRET|SIREN|capital (?:social )?de|N° ?TVA|P\. ?IVA|Partita IVA|Cod\w* Fiscale|Capitale Sociale|Registro Mercantil|NIF\b|CIF\b|CNPJ|KvK|K\.v\.K|BTW"
    r"|KRS\b|NIP\b|REGON|Org\.? ?(?:nr|nummer)|CVR|ИНН|ОГРН"
)
