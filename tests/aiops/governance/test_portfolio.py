import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from aiops import tracking
from aiops.commands.board import portfolio_command
from aiops.governance import ledger, usecase
from aiops.governance.decision import propose, record_decision
from aiops.governance.lifecycle import read_lifecycle
from aiops.governance.portfolio import STAGES, portfolio_html, read_portfolio, write_portfolio

TODAY = date.today()
LEARNT = {"lessons": ["Ask who <b>leads</b> it first."], "revisit_if": ["n_positive>=480"]}
BOARD = {"rationale": "So it is.", "by": "Board"}


def reject(slug, *reasons, **said):
    return record_decision(propose("reject", slug, reasons=reasons, **BOARD, **LEARNT, **said))


def approve(slug, *, expires, conditions=()):
    """Write an approval that ends on a day, on the pattern of a decision that was made."""
    case = usecase.find(slug)
    like = ledger.read_all()[-1]
    number = 1 + len(ledger.read_all())
    told = {
        "id": f"{like['id'][:9]}{number:04d}",
        "proposal_id": f"made-{number:08d}",
        "case_id": case.id,
        "use_case": slug,
        "outcome": "approve-with-conditions" if conditions else "approve",
        "from_state": "retrospective_eval",
        "to_state": "silent_prospective",
        "gate_step": "G4",
        "effort": {"staff_days": None, "compute_hours": None},
        "reasons": [],
        "lessons": [],
        "revisit_if": [],
        "expires_at": str(expires),
        "conditions": list(conditions),
    }
    ledger.append(lambda earlier: {**like, **told})


def condition(number, due):
    return {"id": f"C{number}", "item": "fairness", "text": "34 more patients", "owner": "Dr Bell",
            "due": str(due), "evidence_kind": "", "waived_by": "", "status": "open"}  # fmt: skip


@pytest.fixture
def full(home):
    """A rejected case, a lapsed approval, one with conditions, and an idea."""
    usecase.submit("wrist", "Scaphoid <script>alert(1)</script>", owner="Emergency & trauma")
    usecase.submit("chest", "Effusion on chest films", owner="Radiology")
    usecase.submit("head", "Bleed on head CT")
    usecase.submit("skin", "Skin lesions")
    reject("wrist", "R01", "R08", staff_days=6.5)
    approve("chest", expires=TODAY - timedelta(days=20))
    conditions = [condition(1, TODAY - timedelta(days=1)), condition(2, TODAY + timedelta(days=9))]
    approve("head", expires=TODAY + timedelta(days=60), conditions=conditions)


def words(page: str) -> str:
    return re.sub(
        r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*</style>", "", page, flags=re.S))
    )


def test_every_state_of_the_lifecycle_has_one_column():
    named = [state for states in STAGES.values() for state in states]
    assert sorted(named) == sorted(read_lifecycle().states)


def test_the_board_says_where_each_project_stands_why_and_for_how_long(full):
    found = read_portfolio(TODAY + timedelta(days=30))
    ended = found.column(STAGES["Ended"])
    assert [(p.slug, p.state, p.outcome, p.days) for p in ended] == [
        ("wrist", "rejected", "REJECTED", 30)
    ]
    assert ended[0].reasons == ("R01 INSUFFICIENT_DATA", "R08 VENDOR_DUPLICATE")
    assert ended[0].staff_days == 6.5
    assert ended[0].grade == "recorded, nobody signed"
    assert found.reasons[0] == ("R01 INSUFFICIENT_DATA", ("wrist",))
    text = words(portfolio_html(found))
    assert "rejected for 30 days" in text
    assert "Why: insufficient data (R01), vendor duplicate (R08)" in text
    assert "6.5 staff days and 0 hours of computing are recorded" in text
    assert "for 3 of 4 projects nobody recorded staff days" in text
    assert "Owner: nobody named" in text


def test_a_card_says_until_when_and_what_is_open_and_far_off_days_are_counted(full):
    conditions = [condition(1, TODAY + timedelta(days=200))]
    approve("skin", expires=TODAY + timedelta(days=300), conditions=conditions)
    found = read_portfolio()
    card = next(p for p in found.projects if p.slug == "skin")
    assert (card.conditions_open, card.conditions_due) == (1, str(TODAY + timedelta(days=200)))
    assert [(d.day - TODAY).days for d in found.later] == [200, 300]
    text = words(portfolio_html(found))
    assert (
        f"Approved, lapses on {card.approved_until} 1 condition open, by {card.conditions_due}"
        in text
    )
    assert f"Further off than 90 days: 2, the next on {card.conditions_due} (UC-0004 skin," in text
    lapsed = next(p for p in found.projects if p.slug == "chest")
    assert lapsed.approved_until == ""


def test_what_is_late_is_red_and_says_so(full):
    found = read_portfolio()
    assert [(d.day, d.case, d.is_overdue) for d in found.due] == [
        (TODAY - timedelta(days=20), "UC-0002 chest", True),
        (TODAY - timedelta(days=1), "UC-0003 head", True),
        (TODAY + timedelta(days=9), "UC-0003 head", False),
        (TODAY + timedelta(days=60), "UC-0003 head", False),
    ]
    page = portfolio_html(found)
    assert '<span class="red">OVERDUE: 2.</span>' in page
    assert page.count('<td data-name="Status" class="red">OVERDUE</td>') == 2
    assert page.count('<td data-name="Status">due</td>') == 2
    text = words(page)
    assert "approval DEC-" in text
    assert "lapsed Radiology UC-0002 chest OVERDUE" in text
    assert "condition C1: 34 more patients Dr Bell UC-0003 head OVERDUE" in text
    assert found.lines()[1].startswith(f"OVERDUE since {TODAY - timedelta(days=20)}: UC-0002 chest")


def test_a_day_far_off_is_not_listed(full):
    far = [d for d in read_portfolio(TODAY - timedelta(days=60)).due if "head" in d.case]
    assert TODAY + timedelta(days=60) not in [d.day for d in far]


def test_a_rejected_project_owes_nothing(full):
    assert not [due for due in read_portfolio().due if "wrist" in due.case]


def test_a_review_that_was_missed_is_late(home):
    usecase.submit("skin", "Skin lesions", owner="Dermatology")
    record_decision(
        propose("defer", "skin", reasons=["R19"], review_by=TODAY + timedelta(days=3), **BOARD,
                **LEARNT)
    )  # fmt: skip
    assert [(d.what, d.is_overdue) for d in read_portfolio().due] == [("review", False)]
    [late] = read_portfolio(TODAY + timedelta(days=4)).due
    assert (late.who, late.word) == ("Dermatology", "OVERDUE")


def test_the_page_is_whole_in_itself_and_escapes_what_people_wrote(full, tmp_path):
    path = write_portfolio(read_portfolio(), tmp_path / "p.html")
    page = path.read_text(encoding="utf-8")
    assert "<script" not in page
    assert "Scaphoid &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "Ask who &lt;b&gt;leads&lt;/b&gt; it first." in page
    assert "Emergency &amp; trauma" in page
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=|url\(|@import|https?://", page)
    assert "@page{size:A4" in page


def test_an_empty_register_says_how_to_begin(home):
    page = words(portfolio_html(read_portfolio()))
    assert "No use case is registered yet" in page
    assert "aiops usecase submit SLUG --title TITLE" in page
    assert read_portfolio().lines() == ["no use case is registered yet"]


def test_a_project_worth_another_look_is_named(home):
    usecase.submit("wrist", "Scaphoid fracture")
    said = {**LEARNT, "revisit_if": ["kappa>=0.7"]}
    record_decision(propose("reject", "wrist", reasons=["R01"], **BOARD, **said))
    (home / "facts.yaml").write_text("wrist: {kappa: 0.81}\n")
    page = words(portfolio_html(read_portfolio()))
    assert "Could be tried again , for every condition" in page
    assert "UC-0001 wrist (rejected)" in page


def test_hours_of_every_run_are_counted_once(make_run):
    usecase.submit("chest-effusion", "Effusion")
    make_run()
    make_run("2026-11-22-bbbbbbbb")
    [project] = read_portfolio().projects
    assert project.compute_hours == pytest.approx(2 * 36 / 3600)


def test_the_command_writes_the_page_and_shows_it_in_mlflow(client, full, tmp_path):
    from click.testing import CliRunner

    out = tmp_path / "board.html"
    told = CliRunner().invoke(portfolio_command, ["--out", str(out)], catch_exceptions=False)
    assert told.output.splitlines()[0] == str(out)
    assert "Ended: 1" in told.output
    CliRunner().invoke(portfolio_command, ["--out", str(out)], catch_exceptions=False)
    where = client.get_experiment_by_name(tracking.PORTFOLIO)
    [run] = client.search_runs([where.experiment_id])
    stored = client.download_artifacts(run.info.run_id, "portfolio.html")
    assert Path(stored).read_text(encoding="utf-8") == out.read_text(encoding="utf-8")


def test_the_page_is_written_where_mlflow_does_not_answer(full, tmp_path, monkeypatch):
    from click.testing import CliRunner

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    told = CliRunner().invoke(portfolio_command, ["--out", str(tmp_path / "p.html")])
    assert told.exit_code == 0
    assert "the page is written, but MLflow has not got it" in told.stderr
    assert (tmp_path / "p.html").exists()


def test_a_project_put_off_says_until_when_however_far_off_that_is(home):
    usecase.submit("kidney", "Kidney models from CT")
    far = TODAY + timedelta(days=200)
    record_decision(propose("defer", "kidney", reasons=["R05"], review_by=far, **BOARD, **LEARNT))
    (project,) = read_portfolio(TODAY).projects
    assert project.review_by == str(far)
    assert f"To be looked at again by {far}" in portfolio_html(read_portfolio(TODAY))
