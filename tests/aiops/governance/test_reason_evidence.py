"""Every code has evidence that is computed or says that it is stated; thresholds stand as data."""

import json

import pytest

from aiops.errors import ConfigError
from aiops.governance.policy import read_reasons
from aiops.governance.reason_evidence import (
    SOURCES,
    above,
    below,
    count,
    evidence,
    evidence_for,
    evidence_of_reasons,
    share,
    threshold_of,
    worst,
)

KEYS = {
    "code", "kind", "value", "low", "high", "n", "threshold", "supports", "sentence", "source",
    "details",
}  # fmt: skip


def test_codes_that_are_computed_are_those_with_a_source():
    codes = read_reasons().codes
    assert {c for c, told in codes.items() if told.evidence == "computed"} == set(SOURCES)
    # R11 takes its value from the config: what was set before the test.
    assert {c for c, told in codes.items() if told.thresholds} == set(SOURCES) - {"R11"}


@pytest.mark.parametrize("code", sorted(f"R{i:02d}" for i in range(1, 25)))
def test_every_code_has_evidence_in_one_form(home, code):
    found = evidence_for(code)
    assert set(found) == KEYS
    assert found["code"] == code
    assert found["kind"] == "stated"
    assert found["supports"] is None
    why = "nothing was there to compute it from" if code in SOURCES else "no program can compute it"
    assert found["sentence"] == f"Stated by those who decided; {why}."
    assert json.loads(json.dumps(found)) == found


def test_a_code_that_is_none_is_refused(home):
    with pytest.raises(ConfigError, match="'R99' is not known"):
        evidence_for("R99")


def test_a_decision_is_not_stopped_by_a_file_that_cannot_be_read(home, tmp_path):
    log = tmp_path / "hazards.yaml"
    log.write_text("kind: something else\n")
    found = evidence_of_reasons(["R14", "R17"], None, hazards=log)
    assert found["R14"]["kind"] == "stated"
    assert found["R14"]["sentence"].startswith(
        "Stated by those who decided; it could not be computed: "
    )
    assert found["R17"]["kind"] == "stated"


def test_a_run_is_read_before_the_table(make_run):
    found = evidence_of_reasons(["R11", "R13"], None, make_run(verdicts=("concern", "adequate")))
    assert found["R11"]["kind"] == found["R13"]["kind"] == "computed"
    assert found["R13"]["supports"] is True


def test_no_source_silences_another(make_run, monkeypatch):
    """A curve that is satisfied was read alone, while too few patients stood beside it."""
    told = {True: evidence("R01", "43 patients", supports=True),
            False: evidence("R01", "reached", supports=False)}  # fmt: skip
    sources = [lambda code, supports=s, **_: told[supports] for s in (False, True)]
    monkeypatch.setitem(SOURCES, "R01", tuple(sources))
    found = evidence_for("R01")
    assert (found["sentence"], found["supports"]) == ("43 patients", True)
    assert [one["sentence"] for one in found["details"]] == ["reached"]

    def broken(code, **_):
        raise ConfigError("the file is torn", where="curve.json", fix="draw it again")

    monkeypatch.setitem(SOURCES, "R01", (broken, sources[0]))
    found = evidence_for("R01")
    assert found["supports"] is None
    assert found["sentence"] == "One source could not be read: the file is torn."


@pytest.mark.parametrize(
    ("low", "high", "is_above", "is_below"),
    [
        (0.3, 0.4, True, False),
        (0.0, 0.1, False, True),
        (0.1, 0.3, None, None),
        (0.2, 0.3, None, False),
        (0.1, 0.2, False, None),
        (float("nan"), 0.3, None, None),
        (None, None, None, None),
    ],
)
def test_a_bound_is_judged_by_the_interval(low, high, is_above, is_below):
    assert above(low, high, 0.2) is is_above
    assert below(low, high, 0.2) is is_below


def test_the_worst_stands_first_and_keeps_the_others():
    found = [evidence("R01", said, supports=s) for said, s in [("a", False), ("b", None)]]
    found.append(evidence("R01", "c", supports=True))
    first = worst(found)
    assert first["sentence"] == "c"
    assert [one["sentence"] for one in first["details"]] == ["b", "a"]
    assert worst([]) is None


def test_small_counts_and_what_is_no_number_are_left_out():
    told = evidence("R01", "", n=7, value=float("inf"), low=float("nan"), high=1.0)
    assert (told["n"], told["value"], told["low"], told["high"]) == (None, None, None, 1.0)
    assert evidence("R01", "", n=8)["n"] == 8
    assert [count(n) for n in (0, 1, 7, 8)] == ["0", *["fewer than 8"] * 2, "8"]
    assert share(float("nan")) == "not estimable"
    assert share(float("nan"), 0.98, 1.0) == "at least 98.0 %"


def test_a_threshold_that_is_not_there_is_named():
    assert threshold_of("R04", "kappa") == 0.6
    with pytest.raises(ConfigError) as fault:
        threshold_of("R04", "kapa")
    assert fault.value.where == "reasons.yaml: R04.thresholds"
    assert "did you mean 'kappa'" in fault.value.fix
