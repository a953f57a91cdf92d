"""Score parsing and screening on a folder of mails that say what they hold: `python -m scripts.corpus_report FOLDER`.

The folder has a `manifest.jsonl`, an object a line: `path`, `kind`, `input` and `expected`. Each mail goes through
what `explain` runs: `parse`, then `consider` with the settings as shipped, then `failed_recipients`. An entry that
is less than a mail (a bare text, HTML or winmail.dat) is first wrapped into the plainest mail that holds it.

Comparisons are fair to a reader of mail rather than to the bytes:

- texts in Unicode's NFC with white space folded; in a body, an invisible character is none;
- addresses in lower case; an expected sender without an @ asks that none be made up;
- attachment names as sets, each made safe as the daemon does, so that no folder counts; a name that no part of the
  mail gives was invented by the source's parser, and only asks that there be as many attachments (`attachment
  names, strictly` takes every name literally, and no others);
- a body is right when the expected text stands in it, as whole words (`body text whole` asks that it be all);
  an empty one when there is no other; `text_part_files` may stand anywhere, in text, HTML or attachments;
- a reply is right when it is all of `reply_text`; it loses wanted text when a line of `reply_text` or
  `reply_contains` is missing, and the share is taken over these lines;
- a bounce is what screening calls one; recipients are compared as sets; without `failed_recipients_source` they come
  from the source's own tests; a non-bounce is every entry that is not of kind bounce and not said to be one, except
  those of kind parse, where nobody looked; where the manifest says that none is one, but also (`oracle`) that both of
  two other programs read out of it whom it did not reach, the label is disputed and the entry counts in a row of its
  own: a test of a spam filter calls a real delivery report "no bounce" when it wants it let through;
- times are of the processor, so that a busy machine fails nobody;
- ham is `is_spam: false` or kind normal, and is kept from its ticket when screening opens none.

A rate without a target is for information. Exit code 1 when a target is missed.
"""

from __future__ import annotations

import base64
import json
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from helpdesk_daemon.mail.bounce.verdict import failed_recipients
from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.mail.mime.charset import decode
from helpdesk_daemon.mail.mime.entity import Budget, read_entity
from helpdesk_daemon.mail.mime.headers import decode_words
from helpdesk_daemon.mail.mime.names import safe_name
from helpdesk_daemon.mail.mime.parts import subject_of
from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.mail.screening.table import Kind, Screening
from helpdesk_daemon.ports import Arrival, Known
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.stages.case import Desk, consider
from helpdesk_daemon.tickets.tracking import Signer
from helpdesk_daemon.wiring.desks import desk_of, routing_of
from helpdesk_daemon.wiring.places import shipped

SLOW = 2.0  # seconds a mail may take
INVISIBLE = dict.fromkeys([0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0xFFFC])
HEAD = b"From: reader@corpus.example\r\nTo: support@helpdesk.example\r\nSubject: wrapped\r\nMIME-Version: 1.0\r\n"
WRAPPERS = {
    "body": b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n",
    "body_signature": b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n",
    "html": b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n",
    "tnef": b"Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n",
}


@dataclass(frozen=True, slots=True)
class Found:
    """What the daemon made of an entry.

    Attributes:
        entry: the manifest's line.
        raw: bytes of the mail.
        message: as parsed.
        screening: as screened.
        failed: addresses that a bounce reports.
        folder: of the manifest.
    """

    entry: dict[str, Any]
    raw: bytes
    message: Message
    screening: Screening
    failed: tuple[str, ...]
    folder: Path

    @property
    def expected(self) -> dict[str, Any]:
        """What the manifest says."""
        wanted: dict[str, Any] = self.entry["expected"]
        return wanted


# A judgement: (right, out of, expected, found). Out of 0: the entry does not say.
Judgement = tuple[int, int, object, object]
NOTHING: Judgement = (0, 0, None, None)
Judge = Callable[[Found], Judgement]


@dataclass(slots=True)
class Metric:
    """One row of the report; `least` and `most` are targets on the share of right ones."""

    name: str
    judge: Judge
    least: float | None = None
    right: int = 0
    total: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def missed(self) -> bool:
        """Whether the target is missed."""
        return self.least is not None and self.total > 0 and self.right < self.least * self.total - 1e-9

    def take(self, found: Found) -> None:
        """Judge one entry."""
        right, total, wanted, got = self.judge(found)
        self.right, self.total = self.right + right, self.total + total
        if right < total:
            self.failures.append({"path": found.entry["path"], "expected": wanted, "found": got})


def fold(text: object) -> str:
    """White space folded, NFC."""
    return " ".join(unicodedata.normalize("NFC", str(text)).split())


def fold_body(text: object) -> str:
    """The same without characters nobody sees."""
    return fold(str(text).translate(INVISIBLE))


def yes(right: bool, wanted: object, got: object) -> Judgement:
    """A judgement on one question."""
    return int(right), 1, wanted, got


def subject(f: Found) -> Judgement:
    """The decoded subject."""
    wanted = f.expected.get("subject", f.expected.get("subject_raw"))
    if wanted is None:
        return NOTHING
    wanted = wanted if "subject" in f.expected else decode_words(wanted)
    return yes(fold(f.message.subject) == fold(wanted), wanted, f.message.subject)


def sender(f: Found) -> Judgement:
    """The From address."""
    wanted = f.expected.get("from_email")
    if wanted is None:
        return NOTHING
    wanted, got = wanted.strip('" ').lower(), f.message.sender.email
    return yes(got == (wanted if "@" in wanted else ""), wanted, f"{got} ({f.message.sender_source})")


def _names(f: Found) -> tuple[set[str], list[str]]:
    return {fold(safe_name(name, "", 0)) for name in f.expected["attachments"]}, [a.name for a in f.message.attachments]


def attachments(f: Found) -> Judgement:
    """Every attachment that the mail names is there, and as many as expected."""
    if "attachments" not in f.expected:
        return NOTHING
    wanted, found = _names(f)
    given = wanted & (_given(f.raw) | {fold(name) for name in found})
    right = given <= {fold(name) for name in found} and len(found) >= len(wanted)
    return yes(right, sorted(wanted), found)


def _given(raw: bytes) -> set[str]:
    """Every name that a part gives itself, and every subject an attached mail has."""
    names: list[str] = []
    waiting = [read_entity(raw, Budget())]
    while waiting:
        entity = waiting.pop()
        waiting += entity.children or ()
        names += [decode_words(entity.kind.get("name")), decode_words(entity.shown.get("filename"))]
        if entity.kind.value == "message/rfc822":
            names.append(f"{subject_of(entity.content())}.eml")
    return {fold(safe_name(name, "", 0)) for name in names if name}


def attachments_whole(f: Found) -> Judgement:
    """The expected attachments and no others."""
    if "attachments" not in f.expected:
        return NOTHING
    wanted, found = _names(f)
    return yes(wanted == {fold(name) for name in found}, sorted(wanted), found)


def attachments_count(f: Found) -> Judgement:
    """How many attachments."""
    wanted = f.expected.get("attachments_count")
    got = [a.name for a in f.message.attachments]
    return NOTHING if wanted is None else yes(len(got) == wanted, wanted, got)


def _body_wanted(f: Found) -> str | None:
    if "body_text_file" in f.expected:
        return Path(f.folder, f.expected["body_text_file"]).read_text("utf-8", "replace")
    wanted: str | None = f.expected.get("body_text")
    return wanted


def body(f: Found) -> Judgement:
    """The body text: `body_text` all of it or of a part, `body_contains` anywhere."""
    wanted, pieces = _body_wanted(f), f.expected.get("body_contains", [])
    if wanted is None and not pieces:
        return NOTHING
    got = fold_body(f.message.text)
    missing = [piece for piece in pieces if fold_body(piece) not in got]
    if wanted is not None and not _holds(got, fold_body(wanted)):
        missing.append(wanted)
    return yes(not missing, missing, f.message.text)


def _holds(got: str, wanted: str) -> bool:
    """Whether a text is there as a whole; an empty one only when nothing else is."""
    return wanted == got if not wanted else f" {wanted} " in f" {got} "


def body_whole(f: Found) -> Judgement:
    """The body text is `body_text` and nothing else."""
    wanted = _body_wanted(f)
    return NOTHING if wanted is None else yes(fold_body(f.message.text) == fold_body(wanted), wanted, f.message.text)


def text_parts(f: Found) -> Judgement:
    """Decoded text parts are found again, in the body or in an attachment."""
    files = f.expected.get("text_part_files", [])
    wanted = [fold_body(decode((f.folder / name).read_bytes())[0]) for name in files]
    held = [f.message.text, f.message.html, *(decode(a.content)[0] for a in f.message.attachments)]
    got = fold_body("\n".join(held))
    missing = [text for text in wanted if text not in got]
    return len(wanted) - len(missing), len(wanted), missing, f.message.text


def reply(f: Found) -> Judgement:
    """The new text of a reply, exactly."""
    wanted = f.expected.get("reply_text")
    got = f.message.new_text
    return NOTHING if wanted is None else yes(fold(got) == fold(wanted), wanted, got)


def reply_kept(f: Found) -> Judgement:
    """Lines of wanted reply text that are there."""
    wanted = [*f.expected.get("reply_text", "").splitlines(), *f.expected.get("reply_contains", [])]
    lines = [fold(line) for line in wanted if fold(line)]
    got = fold(f.message.new_text)
    lost = [line for line in lines if line not in got]
    return len(lines) - len(lost), len(lines), lost, f.message.new_text


def reply_clean(f: Found) -> Judgement:
    """Text that must not stand in a reply is not there."""
    unwanted = f.expected.get("reply_not_contains", [])
    there = [text for text in unwanted if fold(text) in fold(f.message.new_text)]
    return len(unwanted) - len(there), len(unwanted), f"not {there}", f.message.new_text


def _recipients(f: Found, consensus: bool) -> Judgement:
    wanted = f.expected.get("failed_recipients")
    if wanted is None or f.entry["kind"] != "bounce" or ("failed_recipients_source" in f.expected) != consensus:
        return NOTHING
    return yes({a.lower() for a in wanted} == set(f.failed), wanted, list(f.failed))


def recipients(f: Found) -> Judgement:
    """Failed recipients that the source's tests name."""
    return _recipients(f, consensus=False)


def recipients_agreed(f: Found) -> Judgement:
    """Failed recipients that two tools agree on."""
    return _recipients(f, consensus=True)


def bounce_seen(f: Found) -> Judgement:
    """Bounces are recognised."""
    if f.entry["kind"] != "bounce" or not f.expected.get("is_bounce"):
        return NOTHING
    return yes(f.screening.kind == Kind.BOUNCE, "bounce", f"{f.screening.row}: {f.screening.reason}")


def disputed(f: Found) -> bool:
    """Whether an entry is said to be no bounce, while both other programs name the same address it did not reach."""
    oracle = f.entry.get("oracle", {})
    one = {found["recipient"] for found in oracle.get("sisimai") or ()}
    other = {address for found in (oracle.get("flufl") or {}).values() for address in found}
    return f.entry["kind"] == "normal" and bool(one & other)


def _no_bounce(f: Found, in_dispute: bool) -> Judgement:
    if f.entry["kind"] in ("bounce", "parse") or f.expected.get("is_bounce") or disputed(f) != in_dispute:
        return NOTHING
    return yes(f.screening.kind != Kind.BOUNCE, "no bounce", f"{f.screening.row}: {f.screening.reason}")


def no_false_bounce(f: Found) -> Judgement:
    """What is no bounce is not taken for one."""
    return _no_bounce(f, in_dispute=False)


def no_false_bounce_disputed(f: Found) -> Judgement:
    """The same of entries that other programs call a bounce."""
    return _no_bounce(f, in_dispute=True)


def auto_seen(f: Found) -> Judgement:
    """Automatic replies are recognised."""
    if not f.expected.get("is_auto") and f.entry["kind"] != "autoreply":
        return NOTHING
    return yes(f.screening.kind == Kind.AUTO_REPLY, "auto_reply", f"{f.screening.row}: {f.screening.reason}")


def auto_false(f: Found) -> Judgement:
    """A person is not taken for a machine that answers."""
    if f.expected.get("is_auto") is not False and f.entry["kind"] != "normal":
        return NOTHING
    return yes(f.screening.kind != Kind.AUTO_REPLY, "no auto_reply", f"{f.screening.row}: {f.screening.reason}")


def ham_kept(f: Found) -> Judgement:
    """Ordinary mail may open its ticket."""
    if f.entry["kind"] != "normal" or f.expected.get("is_auto") or disputed(f):
        return NOTHING
    return yes(f.screening.ticket, "ticket", f"{f.screening.row}: {f.screening.reason}")


def metrics() -> list[Metric]:
    """The table of what is scored, with the least share that must be right."""
    return [
        Metric("subject", subject, 0.98),
        Metric("from", sender, 0.99),
        Metric("attachment names", attachments, 0.95),
        Metric("attachment names, strictly", attachments_whole),
        Metric("attachment count", attachments_count),
        Metric("body text", body, 0.95),
        Metric("body text whole", body_whole),
        Metric("text parts", text_parts),
        Metric("reply exactly", reply, 0.75),
        Metric("reply text kept", reply_kept, 0.99),
        Metric("reply without others", reply_clean),
        Metric("failed recipients", recipients, 0.98),
        Metric("failed recipients, agreed", recipients_agreed),
        Metric("bounces seen", bounce_seen),
        Metric("no false bounce", no_false_bounce, 0.998),
        Metric("no false bounce, disputed", no_false_bounce_disputed),
        Metric("auto-replies seen", auto_seen, 0.95),
        Metric("no false auto-reply", auto_false),
        Metric("ham becomes a ticket", ham_kept, 0.999),
    ]


def mail_of(raw: bytes, how: str) -> bytes:
    """The entry as a mail."""
    return HEAD + WRAPPERS[how] + base64.encodebytes(raw) if how in WRAPPERS else raw


def shipped_desk() -> Desk:
    """What `explain` asks where nobody has configured anything."""
    settings = load_settings(shipped("settings.toml"), Path.cwd())
    return desk_of(settings, routing_of(settings), Signer((b"k" * 32,)))


@dataclass(slots=True)
class Report:
    """What a run found."""

    metrics: list[Metric]
    entries: int = 0
    exceptions: list[dict[str, Any]] = field(default_factory=list)
    times: list[tuple[float, str]] = field(default_factory=list)

    @property
    def slow(self) -> list[tuple[float, str]]:
        """Entries over the limit."""
        return [t for t in self.times if t[0] > SLOW]

    @property
    def missed(self) -> bool:
        """Whether any target is missed."""
        return bool(self.exceptions or self.slow) or any(m.missed for m in self.metrics)


def run(folder: Path, entries: Iterable[dict[str, Any]], chosen: list[Metric]) -> Report:
    """Read, screen and judge every entry."""
    desk, report, now = shipped_desk(), Report(chosen), datetime.now(UTC)
    for entry in entries:
        raw = mail_of((folder / entry["path"]).read_bytes(), entry.get("input", "message"))
        report.entries += 1
        began = time.process_time()
        try:
            case = consider(Arrival(1, "corpus", raw, "", now, 1), parse(raw), Known(), desk, now)
            failed = failed_recipients(case.message)
        except Exception as error:
            report.exceptions.append({"path": entry["path"], "error": f"{type(error).__name__}: {error}"})
            continue
        report.times.append((time.process_time() - began, entry["path"]))
        found = Found(entry, raw, case.message, case.screening, failed, folder)
        for metric in chosen:
            metric.take(found)
    return report


def entries_of(folder: Path) -> Iterator[dict[str, Any]]:
    """The manifest's lines."""
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        if line.strip():
            yield json.loads(line)


def as_object(report: Report, failures: int) -> dict[str, Any]:
    """The report for machines."""
    worst, where = max(report.times, default=(0.0, ""))
    return {
        "entries": report.entries,
        "metrics": [
            {"name": m.name, "right": m.right, "total": m.total, "least": m.least, "missed": m.missed,
             "failures": m.failures[:failures]}
            for m in report.metrics if m.total
        ],
        "exceptions": report.exceptions,
        "worst_seconds": round(worst, 3),
        "worst_entry": where,
        "slow": len(report.slow),
    }  # fmt: skip


def show(report: Report, failures: int) -> None:
    """The report for people."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    words = {True: "[red]missed[/]", False: "[green]reached[/]"}
    table = Table("What", "Right", "Of", "Share", "Target", "", title=f"{report.entries} entries")
    for m in report.metrics:
        if m.total:
            target = "" if m.least is None else f"≥ {m.least:.1%}"
            verdict = "" if m.least is None else words[m.missed]
            table.add_row(m.name, str(m.right), str(m.total), f"{m.right / m.total:.1%}", target, verdict)
    worst, where = max(report.times, default=(0.0, ""))
    table.add_row("exceptions", "", str(len(report.exceptions)), "", "0", words[bool(report.exceptions)])
    table.add_row("slowest", "", f"{worst:.2f} s", "", f"≤ {SLOW:g} s", words[bool(report.slow)])
    console.print(table)
    console.print(f"slowest: {where}", markup=False)
    for problem in report.exceptions:
        console.print(f"{problem['path']}: {problem['error']}", markup=False)
    for m in report.metrics:
        for failure in m.failures[:failures]:
            console.print(f"\n{m.name}: {failure['path']}", markup=False, style="bold")
            console.print(
                f"  expected {_short(failure['expected'])}\n  found    {_short(failure['found'])}", markup=False
            )


def _short(value: object, limit: int = 700) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = repr(text)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "json_", is_flag=True, help="One JSON object instead of a table")
@click.option("--failures", default=0, metavar="N", help="Show up to N failing entries of each row")
@click.option(
    "--only", default="", metavar="KIND_OR_METRIC", help="Entries of a kind or corpus, or rows named like this"
)
def main(folder: Path, json_: bool, failures: int, only: str) -> None:
    """Score the mails of FOLDER, which holds a manifest.jsonl."""
    entries = list(entries_of(folder))
    of_kind = [e for e in entries if only in (e["kind"], e["corpus"])]
    rows = [m for m in metrics() if only in m.name] if only and not of_kind else metrics()
    if not rows:
        raise click.UsageError(f"{only} is neither a kind nor a row")
    bar = track(of_kind or entries, "Reading", console=Console(stderr=True), disable=json_)
    report = run(folder, bar, rows)
    if json_:
        click.echo(json.dumps(as_object(report, failures), ensure_ascii=False))
    else:
        show(report, failures)
    raise SystemExit(int(report.missed))


if __name__ == "__main__":
    main()
