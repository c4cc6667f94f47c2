"""The demo: two made cohorts, two models, the planted harm found, three decisions signed.

The decisions follow from the gates' answers. Nothing here knows what the models will show; with
the planted bias off, or another seed, the same code decides otherwise.
"""

import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiops.errors import ConfigError
from aiops.files import read_json, write_json
from aiops.home import configs_dir, home

Result = dict[str, Any]
Say = Callable[[str], None]
Bar = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]

PROGRAM = "aiops demo"
BY_PROGRAM: Result = {"by": PROGRAM, "author": PROGRAM, "by_program": True}
PROJECTS = {
    "demo-wrist-fracture": {
        "title": "Scaphoid fracture on wrist radiographs (made data)",
        "specialty": "emergency radiology",
        "modality": "xray",
        "task": "classification",
        "owner": "Demo: nobody",
        "problem": "Occult fractures are missed in the night; made patients, made films.",
    },
    "demo-kidney-ct": {
        "title": "Kidneys and tumours on CT for surgical planning (made data)",
        "specialty": "urology",
        "modality": "ct",
        "task": "segmentation",
        "owner": "Demo: nobody",
        "problem": "3D models for tumour surgery are drawn by hand; made patients, made scans.",
    },
    "demo-endoscopy-letters": {
        "title": "Follow-up intervals out of endoscopy letters (made idea)",
        "specialty": "gastroenterology",
        "modality": "text",
        "task": "report reading",
        "owner": "TBC",
        "problem": "Surveillance dates are typed twice. An idea from a made intake form.",
    },
}
CONFIGS = {"demo-wrist-fracture": "demo_wrist", "demo-kidney-ct": "demo_kidney_ct"}
REASON_OF_ITEM = {"primary": "R11", "fairness": "R13", "audit": "R03", "test-list": "R12"}
"""The reason code that fits a failing item of the gate."""


def demo(*, seed: int, say: Say, bar: Bar, bias: bool = True) -> Result:
    """Make the cohorts, run both configs, and record what follows from the gates.

    Parameters
    ----------
    seed : int
        Of the cohorts.
    say, bar : callable
        Take a line for the person; give a progress function for a title.
    bias : bool
        Whether the wrist cohort carries the planted bias.
    """
    from aiops.governance.verify import verify_ledger
    from aiops.pipeline.run import run

    began = time.monotonic()
    say("making two cohorts of patients who do not exist …")
    make_cohorts(seed=seed, bias=bias)
    _register(say)
    outcomes: Result = {}
    for slug, config in (
        ("demo-wrist-fracture", "demo_wrist"),
        ("demo-kidney-ct", "demo_kidney_ct"),
    ):
        say(f"\n{PROJECTS[slug]['title']}")
        done = run(configs_dir() / f"{config}.yaml", say=say, bar=bar)
        proposal = proposal_for(done)
        said = {"use_case": slug, "run_dir": Path(done["folder"]), **BY_PROGRAM, **proposal}
        outcomes[slug] = {"run": done, "decision": _decided(slug) or _decide(said)}
    say(f"\n{PROJECTS['demo-endoscopy-letters']['title']}")
    intake = _decided("demo-endoscopy-letters") or _decide(intake_rejection())
    outcomes["demo-endoscopy-letters"] = {"run": None, "decision": intake}
    return {
        "projects": outcomes,
        "planted": {
            cohort: read_json(home() / "demo" / cohort / "faults.json")["faults"]
            for cohort in ("kidney_ct", "wrist")
        },
        "portfolio": str(_portfolio()),
        "verified": verify_ledger().to_dict(),
        "seconds": round(time.monotonic() - began),
    }


def make_cohorts(*, seed: int, bias: bool = True) -> None:
    """Write both cohorts under ``AIOPS_HOME/demo``, unless they are there.

    Raises
    ------
    ConfigError
        If cohorts of another seed are there, on which decisions may rest.
    """
    from aiops.data.phantom import make_kidney_ct, make_wrist

    folder = home() / "demo"
    wanted = {"seed": seed, "bias": bias}
    told = folder / "cohorts.json"
    if told.exists():
        if read_json(told) != wanted:
            raise ConfigError(
                f"a demo with {read_json(told)} is here already, and decisions rest on it",
                where=str(folder),
                fix="AIOPS_HOME=another-folder aiops demo --seed …",
            )
        return
    if folder.exists():
        shutil.rmtree(folder)  # an interrupted making: the same seed makes it again
    make_kidney_ct(folder / "kidney_ct", seed=seed)
    make_wrist(folder / "wrist", seed=seed, bias=bias)
    write_json(told, wanted)


def _register(say: Say) -> None:
    from aiops.governance.usecase import registered, submit

    for slug, intake in PROJECTS.items():
        case = registered(slug) or submit(slug, submitted_by=PROGRAM, **intake)
        say(f"{case.id}  {case.title}")


def _decide(said: Result) -> Result:
    """Record a decision with the signatures of the demo's board."""
    from aiops.demo_board import signers
    from aiops.governance.decision import decide

    return decide(**said, keys=signers(said["outcome"])).to_json()


def _portfolio() -> Path:
    """Write the page of all projects, and show it in MLflow."""
    from aiops.governance.portfolio import read_portfolio, write_portfolio
    from aiops.tracking import log_portfolio

    told = read_portfolio()
    page = write_portfolio(told, home() / "portfolio.html")
    log_portfolio(page, told.head)
    return page


def _decided(slug: str) -> Result | None:
    """Return the last decision on a use case; a demo that is run again decides nothing twice."""
    from aiops.governance.ledger import read_all

    found = [record for record in read_all() if record["use_case"] == slug]
    return found[-1] if found else None


def proposal_for(done: Result) -> Result:
    """Return what a gate's answer leads to: approval, approval with conditions, or rejection.

    Parameters
    ----------
    done : dict
        What ``run`` returned.
    """
    items = done["gate"]["items"]
    failing = [item for item in items if item["outcome"] == "fail"]
    open_items = [item for item in items if item["outcome"] == "undecided"]
    if failing:
        codes = dict.fromkeys(REASON_OF_ITEM.get(item["id"], "R14") for item in failing)
        return {
            "outcome": "reject",
            "reasons": tuple(codes),
            "rationale": "The gate failed. " + " ".join(_sentence(i["reason"]) for i in failing),
            "lessons": ("Look at performance by scanner and by group before the first demo.",),
            "revisit_if": ("verdict==adequate",),
        }
    if open_items:
        due = (datetime.now(UTC) + timedelta(days=180)).date().isoformat()
        return {
            "outcome": "approve-with-conditions",
            "rationale": "Good enough where it could be tested. "
            + " ".join(_sentence(i["reason"]) for i in open_items),
            "conditions": tuple(
                f"{item['id']}: {_oneline(item['would_decide'])}; {PROGRAM}; {due}"
                for item in open_items
            ),
        }
    return {
        "outcome": "approve",
        "rationale": "Every item of the gate passed: " + ", ".join(i["id"] for i in items) + ".",
    }


def intake_rejection() -> Result:
    """Return the decision on the third idea, which never had data or a model."""
    return {
        "outcome": "reject",
        "use_case": "demo-endoscopy-letters",
        **BY_PROGRAM,
        "reasons": ("R08", "R06"),
        "rationale": "The endoscopy system that the trust has bought sets these dates itself in "
        "its next release, and no clinician leads the idea.",
        "lessons": ("Ask the supplier for the road map before anybody labels a letter.",),
        "revisit_if": ("vendor_feature==false", "clinical_lead!=null"),
    }


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _oneline(text: str) -> str:
    """Return a text as a condition can hold it: the field mark is ``;``."""
    return " ".join(text.replace(";", ",").split())


def demo_lines(result: Result) -> list[str]:
    """Say in plain words what happened, where it is, and what to type next."""
    lines = ["", f"Done in {result['seconds'] / 60:.1f} minutes. What happened:", ""]
    for slug, project in result["projects"].items():
        record, done = project["decision"], project["run"]
        lines.append(f"{PROJECTS[slug]['title']}")
        if done:
            lines += _run_words(done)
        else:
            lines.append("  rejected at intake: no data were asked for, no model was trained")
        codes = ", ".join(f"{r['code']} {r['name']}" for r in record["reasons"])
        lines.append(f"  decision {record['id']}: {record['outcome']}{f' ({codes})' * bool(codes)}")
        lines += [f"    condition: {c['text']}" for c in record["conditions"]]
        lines += _signature_words(record)
        if done:
            lines.append(f"  report: {done['report']}")
        lines.append("")
    lines += [
        "Made by a program, not a board; the patients do not exist. The keys of the demo's board",
        "protect nothing: their passphrase is in the code, and they sign nothing else.",
        "",
        *_verified_words(result["verified"]),
        f"All projects on one page: {result['portfolio']}",
        f"Everything is in {home()}",
        "",
        f"See it all in MLflow:  {_ui_call()}",
    ]
    return lines


def _signature_words(record: Result) -> list[str]:
    people = ", ".join(signer["person"] for signer in record.get("signed_by", []))
    return [f"    signed by: {people}"] if people else []


def _verified_words(verified: Result) -> list[str]:
    """Say whether the record holds, and how to ask again."""
    faults = [f"does not hold: {f['where']}: {f['what']}" for f in verified["found"]]
    grades = ", ".join(f"{n} {grade}" for grade, n in verified["grades"].items())
    word = "does not hold" if faults else "holds"
    again = _call("ledger verify")
    return [
        *faults,
        f"The ledger {word}: decisions {grades}; MLflow {verified['projection']}.",
        f"Ask again:            {again}",
    ]


def _ui_call() -> str:
    return _call("ui")


def _call(verb: str) -> str:
    """Return what to type for a command in the demo's home."""
    import os
    import sys

    prefix = f"AIOPS_HOME={home()} " if os.environ.get("AIOPS_HOME") else ""
    program = Path(sys.argv[0])
    beside = program.name == "aiops" and program.parent.name == "bin"
    try:
        shown = program.resolve().relative_to(Path.cwd()) if beside else Path("aiops")
    except ValueError:
        shown = Path("aiops")
    return f"{prefix}{shown} {verb}"


def _run_words(done: Result) -> list[str]:
    found = done["evaluation"]
    audit = read_json(Path(done["folder"]) / "audit.json")
    planted = ", ".join(f"{code} ({e['n']})" for code, e in audit["codes"].items())
    first = found["primary"][0]
    return [
        f"  the audit found: {planted}",
        f"  {first['metric']} on the test list: {first['value']:.3f} "
        f"({first['low']:.3f} to {first['high']:.3f}), {first['n_patients']} patients",
        f"  fairness: {found['verdict']['overall']}. {found['verdict']['sentence']}",
        f"  gate: {done['gate']['outcome']}",
    ]
