"""Examples and rules in the console: what votes, and where mail goes, changed by people."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.harness.sink import Sink
from tests.harness.staff import SECRET, act, signed_in
from tests.harness.web import FORM, WEB, Site, play
from tests.harness.world import ROOT, rows

OWN = 'rules = "routing.toml"\n'
CSV = """Title,Description,Queue
Reset loop,The reset page comes back again and again after I choose a password on the tablet.,Account
Odd VAT,The VAT number on the receipt of March is wrong and our accountant sends it back.,Refunds
"""


def own_rules(folder: Path) -> str:
    shutil.copy(ROOT / "rules" / "routing.toml", folder / "routing.toml")
    return (folder / "routing.toml").read_text()


async def edits(site: Site, path: str, **values: str) -> str:
    """Change something by the form of the rules' page: the page that shows what it changes."""
    version = rows_version(await page_of(site))
    answer = await act(site, path, "/admin/rules/", version=version, **values)
    assert answer.status_code == 200, answer.text
    return answer.text


async def page_of(site: Site) -> str:
    return (await site.client.get("/admin/rules/")).text


def rows_version(page: str) -> str:
    return page.partition('name="version" value="')[2][:64]


def test_examples_are_found_added_withdrawn_and_restored(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        email = await signed_in(site, "agent")
        new = {"subject": "Beam", "body": "The beam of the lamp flickers.", "category": "Technical"}
        answer = await act(site, "/admin/examples/add/", "/admin/examples/", **new)
        assert answer.headers["location"] == "/admin/examples/?done=example"
        (kept,) = rows(tmp_path, "select id, category, source, active from examples where actor = ?", email)
        assert (kept["category"], kept["source"], kept["active"]) == ("Technical", "correction", 1)
        for query, there in ((f"person={email}", True), ("source=correction", True), ("category=Bug", False),
                             ("source=seed", False), ("state=withdrawn", False)):  # fmt: skip
            shown = (await site.client.get(f"/admin/examples/?{query}")).text
            assert ("The beam of the lamp flickers" in shown) is there, query
        await act(site, "/admin/examples/withdraw/", "/admin/examples/", id=str(kept["id"]))
        assert rows(tmp_path, "select active from examples where id = ?", kept["id"]) == [{"active": 0}]
        assert "flickers" in (await site.client.get("/admin/examples/?state=withdrawn")).text
        await act(site, "/admin/examples/restore/", "/admin/examples/", id=str(kept["id"]))
        assert rows(tmp_path, "select active from examples where id = ?", kept["id"]) == [{"active": 1}]
        none = await act(site, "/admin/examples/withdraw/", "/admin/examples/")
        assert none.headers["location"].endswith("done=nothing"), "nothing chosen is not everything"
        for wrong in ({"body": "", "category": "Bug"}, {"body": "words", "category": "Nothing"}):
            assert (await act(site, "/admin/examples/add/", "/admin/examples/", **wrong)).status_code == 409
        people = rows(tmp_path, "select event from audit_log where actor = 'person' and event like 'example.%'")
        assert [r["event"] for r in people] == ["example.corrected", "example.withdrawn", "example.restored"]

    play(tmp_path, sink, scene)


def test_a_file_is_imported_with_its_columns_and_labels_mapped(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        email = await signed_in(site)

        async def send(content: str, **values: str) -> str:
            shown = await site.client.get("/admin/examples/import/")
            found = SECRET.search(shown.text)
            assert found
            fields = [(name, (None, value)) for name, value in {"csrf": found[1], **values}.items()]
            file = ("file", ("../labels.csv", content.encode(), "text/csv"))
            answer = await site.client.post("/admin/examples/import/", files=[*fields, file])
            return answer.headers.get("location") or f"{answer.status_code} {answer.text}"

        refused = await send(CSV)
        assert refused.startswith("422")
        assert "Refunds" in refused
        refused = await send(CSV, body="Nothing")
        assert "No such column" in refused
        assert "<script>" not in await send("category,<script>alert(1)</script>\n")
        assert (await send(CSV, renamed="Refunds = Billing", body="Description")).endswith("done=importing")
        done = "select name, done, added, actor from example_imports where finished_at is not null"
        (finished,) = await site.settled(lambda: rows(tmp_path, done))
        assert finished == {"name": "labels.csv", "done": 2, "added": 2, "actor": email}
        kept = rows(tmp_path, "select category from examples where source = 'import' order by category")
        assert [r["category"] for r in kept] == ["Account", "Billing"]
        assert "labels.csv" in (await site.client.get("/admin/examples/import/")).text

    play(tmp_path, sink, scene, real_model=True)


def test_an_edit_is_shown_tried_and_saved_with_the_comments_kept(tmp_path: Path, sink: Sink) -> None:
    before = own_rules(tmp_path)

    async def scene(site: Site) -> None:
        await site.form("/submit/", FORM)
        (found,) = await site.settled(lambda: rows(tmp_path, "select category from tickets"))
        category = found["category"]
        await signed_in(site)
        shown = await edits(site, "/admin/rules/0/category/", name=category, department="Engineering", priority="Low",
                            sla_hours="77")  # fmt: skip
        assert "+sla_hours = 77" in shown
        assert "1 mail was tried" in shown
        assert (tmp_path / "routing.toml").read_text() == before, "nothing is saved yet"
        text = before.replace(f"[category.{category}]\n", f"[category.{category}]  # ours\n")
        answer = await act(site, "/admin/rules/0/save/", "/admin/rules/", version=rows_version(await page_of(site)),
                           text=text.replace("\n", "\r\n"))  # fmt: skip
        assert answer.headers["location"] == "/admin/rules/0/?done=saved"
        assert (tmp_path / "routing.toml").read_text() == text
        assert (tmp_path / "routing.toml.bak").read_text() == before
        (line,) = rows(tmp_path, "select actor from audit_log where event = 'rules.saved'")
        assert line["actor"] == "person"

    play(tmp_path, sink, scene, mailbox=OWN)


def test_unsound_and_outdated_edits_are_refused(tmp_path: Path, sink: Sink) -> None:
    before = own_rules(tmp_path)

    async def scene(site: Site) -> None:
        await signed_in(site)
        version = rows_version(await page_of(site))
        broken = before.replace('department = "Engineering"', 'department = "Nobody"', 1)
        shown = await act(site, "/admin/rules/0/preview/", "/admin/rules/", version=version, text=broken)
        assert "unknown department" in shown.text
        assert ">Save<" not in shown.text
        refused = await act(site, "/admin/rules/0/save/", "/admin/rules/", version=version, text=broken)
        assert (refused.status_code, "unknown department" in refused.text) == (409, True)
        loop = before.replace("technical@helpdesk.example", "support@helpdesk.example")
        shown = await act(site, "/admin/rules/0/preview/", "/admin/rules/", version=version, text=loop)
        assert "would come back" in shown.text, "a department that we poll would be a loop"
        (tmp_path / "routing.toml").write_text(before + "\n# theirs\n")
        ours = before + "\n# ours\n"
        refused = await act(site, "/admin/rules/0/save/", "/admin/rules/", version=version, text=ours)
        assert (refused.status_code, "somebody else" in refused.text) == (409, True)
        late = await act(site, "/admin/rules/0/category/", "/admin/rules/", version=version, name="Billing",
                         department="Engineering", priority="Low", sla_hours="5")  # fmt: skip
        assert late.status_code == 409
        for hours in ("many", "nan", "inf", "-5", "1e999"):
            version = rows_version(await page_of(site))
            odd = await act(site, "/admin/rules/0/category/", "/admin/rules/", version=version, name="Billing",
                            department="Billing Team", priority="Low", sla_hours=hours)  # fmt: skip
            assert odd.status_code in (200, 409), hours
            assert ">Save<" not in odd.text, hours
        assert (tmp_path / "routing.toml").read_text().endswith("# theirs\n")
        assert (await site.client.get("/admin/rules/7/")).status_code == 404

    play(tmp_path, sink, scene, mailbox=OWN)


def test_the_file_that_comes_with_the_program_is_only_shown(tmp_path: Path, sink: Sink) -> None:
    shipped = ROOT / "rules" / "routing.toml"

    async def scene(site: Site) -> None:
        await signed_in(site)
        shown = await page_of(site)
        assert "comes with the program" in shown
        assert "Edit the file" not in shown
        text = shipped.read_text() + "\n"
        refused = await act(site, "/admin/rules/0/save/", "/admin/rules/", version="x", text=text)
        assert refused.status_code == 409

    before = shipped.read_bytes()
    play(tmp_path, sink, scene, WEB)
    assert shipped.read_bytes() == before
