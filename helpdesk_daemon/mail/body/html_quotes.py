"""What mail clients mark as quoted or as a signature in HTML, by the names they give it; independent of language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

# Elements that hold nothing but quoted mail.
QUOTED = (
    "blockquote[type=cite], blockquote.gmail_quote, div.gmail_attr",  # Apple Mail, Thunderbird, Gmail
    "div.moz-cite-prefix, .moz-forward-container",  # Thunderbird
    "[class*=yahoo_quoted], [id*=yahoo_quoted], [class*=yahoo-quoted]",  # Yahoo
    ".protonmail_quote, .tutanota_quote, .zmail_extra, .zmail_extra_hr, [title=beforequote\\:\\:\\:]",  # Proton, Tuta, Zoho
    "#OLK_SRC_BODY_SECTION, #mail-editor-reference-message-container, .ms-outlook-mobile-reference-message",  # Outlook
    "[id$=reference-message-container]",
    "div[name=quote], div[name=quoted-content]",  # GMX, WEB.DE
    ".mailru-blockquote, #reply-intro, blockquote#replyBlockquote",  # mail.ru, Roundcube, older webmail
    ".sh-quoted-content, [name=messageReplySection], .front-blockquote, .superhuman-quote",  # Superhuman, Spark, Front
    "#isReplyContent, .ntes-mailmaster-quote, .alimail-quote, .aliyun-quote, #mail_quote, #origbody",  # NetEase, Alibaba, QQ
    ".gmail_quote_container > .gmail_quote, .freebirdAncestorQuote, .fastmail-quote, .qt",
)
# Elements at which quoted mail begins; it goes on to the end of the document.
QUOTED_FROM = (
    "#divRplyFwdMsg, #x_divRplyFwdMsg, #appendonsend, hr#stopSpelling, #replySplit, .OutlookMessageHeader",
    "div[style*='border-top:solid #E1E1E1'], div[style*='border-top:solid #B5C4DF'], div[style*='border-top: 1pt solid']",
    "div[style*='border-top:#B5C4DF'], div[style*='border-top:#E1E1E1']",
)
SIGNATURES = ".gmail_signature, .moz-signature, #Signature, #signature, #ms-outlook-mobile-signature, .protonmail_signature_block"
TOKENS = re.compile(
    r"type=[\"']?cite|gmail_quote|gmail_attr|moz-cite|moz-forward|yahoo.?quoted|protonmail_quote|tutanota_quote|zmail_extra|beforequote"
    r"|OLK_SRC|reference-message|name=[\"']?quote|mailru-blockquote|reply-intro|replyBlockquote|sh-quoted|messageReplySection|front-blockquote"
    r"|superhuman-quote|isReplyContent|ntes-mailmaster|alimail-quote|aliyun-quote|mail_quote|origbody|freebirdAncestor|fastmail-quote|class=[\"']?qt\b"
    r"|divRplyFwdMsg|appendonsend|stopSpelling|replySplit|OutlookMessageHeader|border-top:",
    re.IGNORECASE,
)
SIGNATURE_TOKENS = re.compile(
    r"gmail_signature|moz-signature|id=[\"']?signature|outlook-mobile-signature|protonmail_signature", re.IGNORECASE
)
INDENTED = re.compile(r"border\s{0,3}:\s{0,3}(?:none|0)|border-style\s{0,3}:\s{0,3}none", re.IGNORECASE)
MAX_HTML = 500_000  # characters looked at
MAX_SIGNATURES = 3
MAX_DEPTH = 2_000  # elements left open; a parser's time grows with the square of them
TAG = re.compile(r"<(/?)(?!(?:area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr)\b)[a-z]", re.IGNORECASE)


def without_quotes(html: str) -> str | None:
    """HTML without the elements that hold quoted mail; None when there are none.

    Args:
        html: any text; need not be valid HTML.
    """
    html = html[:MAX_HTML]
    if not TOKENS.search(html) or is_too_deep(html):
        return None
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(html)
    quoted = _outermost(tree.root, {node.mem_id for node in tree.css(", ".join(QUOTED))})
    for node in quoted:
        node.decompose()
    start = tree.css_first(", ".join(QUOTED_FROM))
    if start is not None:
        _drop_from(start)
    return tree.html if quoted or start is not None else None


def is_too_deep(html: str) -> bool:
    """Whether elements nest, or are left open, beyond what a tree may be built of: parsers take quadratic time there."""
    depth = 0
    for match in TAG.finditer(html):
        depth = max(depth + (-1 if match.group(1) else 1), 0)
        if depth > MAX_DEPTH:
            return True
    return False


def _outermost(root: LexborNode | None, chosen: set[int]) -> list[LexborNode]:
    """Those of the chosen elements that stand in no other; taking out one takes its inner ones out too."""
    found: list[LexborNode] = []
    stack = [root] if root is not None and chosen else []
    while stack:
        node = stack.pop()
        if node.mem_id in chosen:
            found.append(node)
        else:
            stack.extend(node.iter())
    return found


def _drop_from(start: LexborNode) -> None:
    """Take an element out, and everything behind it in reading order."""
    node: LexborNode | None = start
    while node is not None and node.tag not in ("body", "html"):
        while node.next is not None:
            node.next.decompose()
        node = node.parent
    start.decompose()


def signatures(html: str) -> list[str]:
    """The HTML of the elements that clients mark as the sender's signature, outside of quotes."""
    html = html[:MAX_HTML]
    if not SIGNATURE_TOKENS.search(html) or is_too_deep(html):
        return []
    from selectolax.lexbor import LexborHTMLParser

    return [node.html or "" for node in LexborHTMLParser(without_quotes(html) or html).css(SIGNATURES)[:MAX_SIGNATURES]]


def only_indents(attributes: Mapping[str, str | None]) -> bool:
    """Whether a blockquote of these attributes is a writer's indentation, not a quote: no line beside it, no citation."""
    if (attributes.get("type") or "").lower() == "cite":
        return False
    if "webkit-indent-blockquote" in (attributes.get("class") or ""):
        return True
    return bool(INDENTED.search((attributes.get("style") or "")[:500])) and "quote" not in (
        attributes.get("class") or ""
    )
