import pandas as pd

from aiops.report.practice import failure_modes, next_steps, safety, workflow


def answers(n_failed: int) -> pd.DataFrame:
    n = 200
    failed = [i < n_failed for i in range(n)]
    return pd.DataFrame(
        {"case_id": [f"c{i}" for i in range(n)], "split": "test",
         "status": ["failed" if f else "ok" for f in failed],
         "reason": ["patient of c1 moved" if f else "" for f in failed]}
    )  # fmt: skip


def test_few_failures_are_not_counted_out_in_what_is_shared(run):
    assert failure_modes(run(predictions=answers(3)))[0] == (
        "No usable answer: 1 to 7 of 200 cases; counted as wrong."
    )
    told = " ".join(failure_modes(run(predictions=answers(3))))
    assert "moved" not in told
    inside = failure_modes(run(predictions=answers(3), is_shareable=False))
    assert inside == ["No usable answer: 3 of 200 cases; counted as wrong.",
                      "patient of c1 moved: 3"]  # fmt: skip


def test_many_failures_are_counted_and_their_reasons_are_not_quoted(run):
    told = failure_modes(run(predictions=answers(20)))
    assert told == ["No usable answer: 20 of 200 cases; counted as wrong.",
                    "1 kind of failure, 1 of them in 8 cases or more."]  # fmt: skip
    assert failure_modes(run(predictions=answers(0))) == [
        "The tool gave an answer for all 200 cases (one without would count as wrong)."
    ]
    assert "Not recorded" in failure_modes(run())[0]


def test_what_was_not_recorded_is_one_line_each(run, chest, shown):
    html = shown(workflow(run(), chest()).blocks) + shown(safety(run(), chest()).blocks)
    for words in ("how long a report takes", "overrule it", "does not flag", "how much harm",
                  "hazard log"):  # fmt: skip
        assert any(words in line and "Not recorded" in line for line in html.split("<li>"))
    assert "What would be missed in use cannot be said: no operating point was set." in html


def test_the_gate_is_counted_and_says_when_to_review(run, chest, shown):
    item = {"question": "Good enough?", "outcome": "pass", "value": 0.86, "threshold": 0.8}
    asked = {"policy": "gate_basic", "policy_version": "1", "valid_months": 12,
             "items": [item, {**item, "question": "Fair?", "outcome": "undecided"}]}  # fmt: skip
    html = shown(next_steps(run(gates=asked), chest()).blocks)
    assert "Of 2 questions, 1 passed and 1 cannot be told yet." in html
    assert "An approval lapses after 12 months" in html
    assert "Not recorded: when it has to be reviewed" in shown(next_steps(run(), chest()).blocks)
