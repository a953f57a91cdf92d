"""HTML to the text a person would have read: every word, links and lists kept, scripts and styles gone."""

from __future__ import annotations

import re

from helpdesk_daemon.mail.html_quotes import only_indents

BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "center",
        "div",
        "dl",
        "dd",
        "dt",
        "fieldset",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "tr",
        "ul",
        "caption",
        "thead",
        "tbody",
        "tfoot",
    ]
)
PARAGRAPHS = frozenset(["p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "table", "pre"])
SKIPPED = frozenset(["script", "style", "head", "title", "template", "noscript", "object", "svg", "iframe", "textarea"])
MAX_QUOTES = 10  # levels of quoting that get a mark of their own
MAX_HTML = 2_000_000  # characters; the rest stays in the raw mail


class _Writer:
    """Collects text with collapsed white space and at most one empty line between paragraphs."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.breaks = 2  # a document starts on an empty page
        self.space = False

    def text(self, value: str, preformatted: bool) -> None:
        if preformatted:
            if value:
                self.parts.append(value)
                self.breaks, self.space = 0, False
            return
        words = value.split()
        if not words:
            self.space = self.space or bool(value)
            return
        if (self.space or value[0].isspace()) and not self.breaks:
            self.parts.append(" ")
        self.parts.append(" ".join(words))
        self.breaks, self.space = 0, value[-1].isspace()

    def newline(self, count: int) -> None:
        if count > self.breaks:
            self.parts.append("\n" * (count - self.breaks))
            self.breaks = count
        self.space = False


def html_to_text(html: str) -> str:
    """The text of an HTML body.

    Args:
        html: any text; need not be valid HTML.

    Returns:
        Lines of text; links as `words (address)`, list items behind `- `, quoted blocks behind `> `.
    """
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(html[:MAX_HTML])
    root = tree.body or tree.root
    if root is None:
        return ""
    writer = _Writer()
    # An explicit stack of (node, leaving): mail nests tables hundreds deep.
    stack: list[tuple[object, bool]] = [(root, False)]
    preformatted = 0
    quotes: list[int] = []
    while stack:
        node, leaving = stack.pop()
        tag: str = node.tag or ""  # type: ignore[attr-defined]
        if tag == "-text":
            writer.text(node.text_content or "", preformatted > 0)  # type: ignore[attr-defined]
            continue
        if leaving:
            if tag == "a":
                _link(writer, node)
            elif tag == "pre":
                preformatted -= 1
            elif tag == "blockquote" and not only_indents(node.attributes):  # type: ignore[attr-defined]
                writer.newline(1)
                start = quotes.pop()
                if len(quotes) < MAX_QUOTES:
                    _quote(writer, start)
            elif tag in ("td", "th"):
                writer.space = True
            if tag in BLOCKS:
                writer.newline(2 if tag in PARAGRAPHS else 1)
            continue
        if tag in SKIPPED or tag.startswith("-"):
            continue
        if tag == "br":
            writer.parts.append("\n")
            writer.breaks, writer.space = writer.breaks + 1, False
            continue
        if tag == "img":
            alt = (node.attributes.get("alt") or "").strip()  # type: ignore[attr-defined]
            writer.text(f" {alt} " if alt else "", False)
            continue
        if tag in BLOCKS:
            writer.newline(2 if tag in PARAGRAPHS else 1)
        if tag == "li":
            writer.text("- ", False)
        elif tag == "pre":
            preformatted += 1
        elif tag == "blockquote" and not only_indents(node.attributes):  # type: ignore[attr-defined]
            quotes.append(len(writer.parts))
        stack.append((node, True))
        stack.extend((child, False) for child in reversed(list(node.iter(include_text=True))))  # type: ignore[attr-defined]
    return _tidy("".join(writer.parts))


def _link(writer: _Writer, node: object) -> None:
    """Append the address of a link unless the words already show it."""
    href = (node.attributes.get("href") or "").strip()  # type: ignore[attr-defined]
    words = "".join(writer.parts[-3:])
    target = href.removeprefix("mailto:")
    if href.startswith(("http://", "https://", "mailto:")) and target.rstrip("/") not in words:
        writer.text(f" ({target})", False)


def _quote(writer: _Writer, start: int) -> None:
    """Put `> ` before every line written since `start`, as plain-text mail does."""
    block = "".join(writer.parts[start:]).strip("\n")
    writer.parts[start:] = ["\n".join("> " + line for line in block.split("\n")), "\n"] if block else []
    writer.breaks = 1


def _tidy(text: str) -> str:
    text = text.replace("\u200b", "").replace("\ufeff", "").replace("\xa0", " ")
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip()
