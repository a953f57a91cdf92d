"""HTML to the text a person would have read: every word, links and lists kept, scripts and styles gone.

One pass over the tags, without a tree: mail nests tables hundreds deep, and what an HTML 5 parser does
about a hundred thousand open elements takes it minutes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

from helpdesk_daemon.mail.body.html_quotes import only_indents

BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "caption", "center", "dd", "details", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav",
    "ol", "option", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul",
))  # fmt: skip
PARAGRAPHS = frozenset(("blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "table", "ul"))
# Their content is no text, and ends only at their own end tag.
RAW = frozenset(["iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xml"])
MAX_QUOTES = 10  # levels of quoting that get a mark of their own
MAX_LISTS = 100  # levels of lists whose items are numbered apart
MAX_HTML = 2_000_000  # characters; the rest stays in the raw mail
MAX_TAGS = 150_000  # beyond them tags are only taken out
NAME = re.compile(r"(/?)([A-Za-z][^\s/>]{0,100})")
STOP = re.compile(r">|=\s{0,20}([\"'])")
CRUDE_TAG = re.compile(r"<[^<>]{0,4000}>")
ATTRIBUTE = re.compile(r"([^\s=/>\"']{1,60})\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))")
MAX_ATTRIBUTES = 10_000  # characters in which an attribute is looked for


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


class _Reader:
    """Walks the tags of one document."""

    def __init__(self, html: str) -> None:
        self.html = html
        self.writer = _Writer()
        self.preformatted = 0
        self.quotes: list[int] = []  # where each open quote begins in what was written, -1 for one that only indents
        self.lists: list[int] = []  # the number of the last item, -1 where items are not numbered
        self.shown = ""  # the address shown last
        self.link = ("", 0)  # the open link's address, and where its words begin
        self.unclosed: set[str] = set()  # quotation marks and end tags that are nowhere below

    def read(self) -> str:
        html, at = self.html, 0
        for _ in range(MAX_TAGS):
            begin = html.find("<", at)
            if begin < 0:
                break
            if begin > at:
                self.text(html[at:begin])
            at = self.markup(begin)
        else:
            self.text(CRUDE_TAG.sub(" ", html[at:]))
            at = len(html)
        self.text(html[at:])
        while self.quotes:
            self.end_quote()
        return _tidy("".join(self.writer.parts))

    def text(self, value: str) -> None:
        if value:
            self.writer.text(unescape(value) if "&" in value else value, self.preformatted > 0)

    def markup(self, begin: int) -> int:
        """Read what begins with `<` here; where to go on."""
        html = self.html
        if html.startswith("<!--", begin):
            return self.past(begin + 4, "-->")
        if html.startswith(("<!", "<?"), begin):
            return self.past(begin + 2, ">")
        name = NAME.match(html, begin + 1)
        end = self.tag_end(name.end()) if name else 0
        if not name or not end or "@" in name[2] or name[2].endswith(":"):  # "<3", "<me@x.example>", "<https://…>"
            self.text("<")
            return begin + 1
        tag = name[2].lower()
        if name[1]:
            self.close(tag)
        else:
            self.open(tag, html[name.end() : min(end, name.end() + MAX_ATTRIBUTES)])
            if tag in RAW:
                return self.past_raw(tag, end)
        return end

    def past(self, at: int, mark: str) -> int:
        """The end of a comment or declaration; one that never ends is passed over alone."""
        end = -1 if mark in self.unclosed else self.html.find(mark, at)
        if end < 0:
            self.unclosed.add(mark)
            return at
        return end + len(mark)

    def past_raw(self, tag: str, at: int) -> int:
        if tag in self.unclosed:
            return at
        end = re.compile(rf"</{tag}\b", re.IGNORECASE).search(self.html, at)
        if end is None:
            self.unclosed.add(tag)
            return at
        return end.start()

    def tag_end(self, at: int) -> int:
        """Where a tag ends, minding quoted values; 0 when it never does."""
        while stop := STOP.search(self.html, at) if "tag" not in self.unclosed else None:
            quote = stop[1]
            if quote is None:
                return stop.end()
            close = -1 if quote in self.unclosed else self.html.find(quote, stop.end())
            if close < 0:
                self.unclosed.add(quote)
            at = max(close + 1, stop.end())
        self.unclosed.add("tag")
        return 0

    def open(self, tag: str, attributes: str) -> None:
        writer = self.writer
        if tag == "br":
            writer.parts.append("\n")
            writer.breaks, writer.space = writer.breaks + 1, False
            return
        if tag in BLOCKS:
            writer.newline(2 if tag in PARAGRAPHS else 1)
        action = OPENING.get(tag)
        if action:
            action(self, attributes)

    def close(self, tag: str) -> None:
        action = CLOSING.get(tag)
        if action:
            action(self)
        if tag in BLOCKS:
            self.writer.newline(2 if tag in PARAGRAPHS else 1)

    def begin_quote(self, attributes: str) -> None:
        self.quotes.append(-1 if only_indents(attributes_of(attributes)) else len(self.writer.parts))

    def end_quote(self) -> None:
        """Put `> ` before every line written since the quote began, as plain-text mail does."""
        self.writer.newline(1)
        start = self.quotes.pop() if self.quotes else -1
        if start < 0 or len(self.quotes) >= MAX_QUOTES:
            return
        block = "".join(self.writer.parts[start:]).strip("\n")
        if block:
            self.writer.parts[start:] = ["\n".join("> " + line for line in block.split("\n")), "\n"]
            self.writer.breaks = 1

    def begin_list(self, numbered: bool) -> None:
        if len(self.lists) < MAX_LISTS:
            self.lists.append(0 if numbered else -1)

    def end_list(self) -> None:
        if self.lists:
            self.lists.pop()

    def begin_item(self, attributes: str) -> None:
        mark = "- "
        if self.lists and self.lists[-1] >= 0:
            self.lists[-1] += 1
            mark = f"{self.lists[-1]}. "
        self.writer.text(mark, False)

    def begin_link(self, attributes: str) -> None:
        self.end_link()
        self.link = (attributes_of(attributes).get("href", ""), len(self.writer.parts))

    def end_link(self) -> None:
        """Append the address of a link unless the words already show it."""
        href, start = self.link
        self.link = ("", 0)
        target = href.removeprefix("mailto:")
        if href.startswith(("http://", "https://", "mailto:")):
            words = "".join(self.writer.parts[start:])
            if target.rstrip("/") not in words and (words.strip() or target != self.shown):
                self.shown = target
                self.writer.text(f" ({target})", False)

    def picture(self, attributes: str) -> None:
        alt = attributes_of(attributes).get("alt", "")
        self.writer.text(f" {alt} " if alt else "", False)

    def preformat(self, attributes: str) -> None:
        self.preformatted += 1

    def unformat(self) -> None:
        self.preformatted = max(0, self.preformatted - 1)

    def end_cell(self) -> None:
        self.writer.space = True


OPENING: dict[str, Callable[[_Reader, str], None]] = {
    "a": _Reader.begin_link,
    "blockquote": _Reader.begin_quote,
    "img": _Reader.picture,
    "li": _Reader.begin_item,
    "ol": lambda reader, _: reader.begin_list(True),
    "pre": _Reader.preformat,
    "td": lambda reader, _: reader.end_cell(),
    "th": lambda reader, _: reader.end_cell(),
    "ul": lambda reader, _: reader.begin_list(False),
}
CLOSING: dict[str, Callable[[_Reader], None]] = {
    "a": _Reader.end_link,
    "blockquote": _Reader.end_quote,
    "ol": _Reader.end_list,
    "pre": _Reader.unformat,
    "td": _Reader.end_cell,
    "th": _Reader.end_cell,
    "ul": _Reader.end_list,
}


def html_to_text(html: str) -> str:
    """The text of an HTML body.

    Args:
        html: any text; need not be valid HTML.

    Returns:
        Lines of text; links as `words (address)`, list items behind `- ` or `1. `, quoted blocks behind `> `.
    """
    return _Reader(html[:MAX_HTML]).read()


def attributes_of(tag: str) -> dict[str, str]:
    """The attributes of a tag by lower-cased name, the first of each; their white space is folded."""
    found: dict[str, str] = {}
    for match in ATTRIBUTE.finditer(tag):
        value = next((group for group in match.groups()[1:] if group is not None), "")
        found.setdefault(match[1].lower(), " ".join(unescape(value).split()))
    return found


def _tidy(text: str) -> str:
    text = text.replace("\u200b", "").replace("\ufeff", "").replace("\xa0", " ").replace("\x00", "")
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip()
