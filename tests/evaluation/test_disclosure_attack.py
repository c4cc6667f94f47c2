"""An attacker who knows all that is published, and more, tries to compute what is hidden.

He sees every table and the log. He is also told, beyond that, every count that is shown exactly
(rounding is not to be relied on, since intervals can be turned back into counts) and, where a
table tells small groups from those hidden to protect them, which hidden counts are small. What is
known are linear equations; the least and the greatest value of each hidden count is a linear
program.
"""

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

from evaluation.disclosure import Disclosure, suppress

COUNTS = ("patients", "cases", "positive", "negative")


def cohort(seed, n_patients, n_groups, n_targets, *, skew, missing):
    """Return a table of cases: patients of random groups, a third of them with two cases."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"patient": np.arange(n_patients)})
    for i, n in enumerate(n_groups):
        p = rng.dirichlet(np.full(n, skew))
        table[f"a{i}"] = [f"g{g}" for g in rng.choice(n, n_patients, p=p)]
    table = table.loc[rng.choice(n_patients, int(n_patients * 1.3), replace=True)]
    for t in range(n_targets):
        positive = (rng.random(len(table)) < rng.choice([0.05, 0.2, 0.5, 0.95])).astype(float)
        positive[rng.random(len(table)) < missing * t] = np.nan
        table[f"t{t}"] = positive
    return table.reset_index(drop=True)


def counted(rows, target):
    known = rows[rows[target].notna()]
    return {
        "n_patients": known["patient"].nunique(),
        "n_cases": len(known),
        "n_positive": int(known[target].sum()),
    }


def tables_of(table, attributes, targets):
    """Return metrics and intersections with their exact counts; figures are of no matter here."""
    metrics, crossed = [], []
    for target in targets:
        told = {"target": target, "metric": "roc_auc", "n_failed": 0, "value": 0.8, "state": "ok"}
        metrics.append(
            {**told, "attribute": "all", "group": "all", **counted(table, target), "reason": ""}
        )
        for a in attributes:
            for g, rows in table.groupby(a):
                metrics.append(
                    {**told, "attribute": a, "group": g, **counted(rows, target), "reason": ""}
                )
        for a, b in combinations(attributes, 2):
            for (g, h), rows in table.groupby([a, b]):
                n = counted(rows, target)
                if n["n_cases"]:
                    names = {"attributes": f"{a} × {b}", "group": f"{g}, {h}"}
                    crossed.append({**told, **names, **n, "reason": ""})
    return pd.DataFrame(metrics), pd.DataFrame(crossed)


@dataclass
class System:
    """Unknown counts, what is known of them, and bounds."""

    index: dict = field(default_factory=dict)
    low: list = field(default_factory=list)
    high: list = field(default_factory=list)
    equations: list = field(default_factory=list)
    bounds_above: list = field(default_factory=list)

    def variable(self, *key, low=0, high=None):
        if key not in self.index:
            self.index[key] = len(self.low)
            self.low.append(low)
            self.high.append(np.inf if high is None else high)
        return self.index[key]

    def bounded(self, at, low, high=np.inf):
        self.low[at] = max(self.low[at], low)
        self.high[at] = min(self.high[at], high)

    def solved(self, at):
        """Return the least and greatest value of a variable."""
        ends = []
        for sign in (1, -1):
            goal = np.zeros(len(self.low))
            goal[at] = sign
            found = linprog(
                goal,
                A_eq=self._matrix(self.equations),
                b_eq=[b for _, b in self.equations],
                A_ub=self._matrix(self.bounds_above),
                b_ub=[b for _, b in self.bounds_above],
                bounds=np.column_stack([self.low, self.high]),
                method="highs",
            )
            assert found.status == 0, found.message  # the truth itself solves it
            ends.append(sign * found.fun)
        return int(np.ceil(ends[0] - 1e-6)), int(np.floor(ends[1] + 1e-6))

    def _matrix(self, rows):
        parts = [(i, at, c) for i, (terms, _) in enumerate(rows) for at, c in terms]
        at, column, value = zip(*parts, strict=True)
        return coo_matrix((value, (at, column)), shape=(len(rows), len(self.low))).tocsr()


def known_of(table, shown, crossed, attributes, targets):
    """Return the system of all that follows from what is published, without who is small."""
    system = System()
    for target in targets:
        total = numbers(counted(table, target))
        for a in attributes:
            groups = sorted(table[a].unique())
            for count in COUNTS:
                terms = [(system.variable(a, target, g, count), 1) for g in groups]
                system.equations.append((terms, total[count]))
            for g in groups:
                of_one_place(system, (a, target, g), total)
        for pair in combinations(attributes, 2):
            crossing(system, pair, target, table, total)
    tie_targets(system, table, attributes, targets)
    published(system, table, shown, crossed, attributes)
    return system


def numbers(told):
    return {
        "patients": told["n_patients"],
        "cases": told["n_cases"],
        "positive": told["n_positive"],
        "negative": told["n_cases"] - told["n_positive"],
    }


def of_one_place(system, key, total):
    at = {c: system.variable(*key, c, high=total[c]) for c in COUNTS}
    terms = [(at["positive"], 1), (at["negative"], 1), (at["cases"], -1)]
    system.equations.append((terms, 0))
    system.bounds_above.append(([(at["patients"], 1), (at["cases"], -1)], 0))


def crossing(system, pair, target, table, total):
    sides = [sorted(table[a].unique()) for a in pair]
    for g in sides[0]:
        for h in sides[1]:
            of_one_place(system, (pair, target, (g, h)), total)
    for side, a in enumerate(pair):
        for g in sides[side]:
            cells = [(g, h) if side == 0 else (h, g) for h in sides[1 - side]]
            for count in COUNTS:
                terms = [(system.variable(pair, target, c, count), 1) for c in cells]
                terms.append((system.variable(a, target, g, count), -1))
                system.equations.append((terms, 0))


def tie_targets(system, table, attributes, targets):
    """Targets whose cases are the same have the same sizes everywhere."""
    first = {}
    for target in targets:
        key = tuple(table[target].notna())
        if first.setdefault(key, target) == target:
            continue
        for (*place, count), at in list(system.index.items()):
            if place[1] == target and count in ("patients", "cases"):
                other = system.index[place[0], first[key], place[2], count]
                system.equations.append(([(at, 1), (other, -1)], 0))


def published(system, table, shown, crossed, attributes):
    """Put in every count that is shown, and that a crossing without a row has no case."""
    for row in shown[shown["attribute"] != "all"].to_dict("records"):
        place = (row["attribute"], row["target"], row["group"])
        true = numbers(counted(table[table[row["attribute"]] == row["group"]], row["target"]))
        put(system, place, row, true)
    for names in crossed["attributes"].unique():
        rows = crossed[crossed["attributes"] == names]
        pair = tuple(names.split(" × "))
        gone = [
            {r["group"] for r in shown[shown["attribute"] == a].to_dict("records")
             if np.isnan(r["n_cases"])} for a in pair
        ]  # fmt: skip
        told = {(r["target"], tuple(r["group"].split(", "))): r for r in rows.to_dict("records")}
        for (*place, count), at in list(system.index.items()):
            if place[0] != pair or place[2][0] in gone[0] or place[2][1] in gone[1]:
                continue
            if (place[1], place[2]) not in told:
                system.bounded(at, 0, 0)
            elif count == "cases":
                inside = (table[list(pair)] == list(place[2])).all(axis=1)
                row = told[place[1], place[2]]
                put(system, tuple(place), row, numbers(counted(table[inside], place[1])))


def put(system, place, row, true):
    for count, name in (
        ("patients", "n_patients"),
        ("cases", "n_cases"),
        ("positive", "n_positive"),
    ):
        if not np.isnan(row[name]):
            at = system.index[(*place, count)]
            system.bounded(at, true[count], true[count])
    if np.isnan(row["n_positive"]):
        assert np.isnan(row["value"])


def told_classes(system, table, shown, below):
    """Put in which hidden counts are small, where a table tells small groups from others."""
    words = shown[shown["state"] == "suppressed"]
    is_told = words.groupby(["attribute", "target"])["reason"].apply(
        lambda r: (r == f"hidden (<{below})").any()
    )
    for (attribute, target), told in is_told.items():
        for row in words[(words["attribute"] == attribute) & (words["target"] == target)].to_dict(
            "records"
        ):
            if not told:
                continue
            inside = table[table[attribute] == row["group"]]
            for count, n in numbers(counted(inside, target)).items():
                at = system.index[attribute, target, row["group"], count]
                ends = (0, 0) if n == 0 else (1, below - 1) if n < below else (below, np.inf)
                system.bounded(at, *ends)
    return is_told


def attack(table, policy):
    """Assert that no hidden small count can be computed from what `suppress` publishes."""
    attributes = [c for c in table if c.startswith("a")]
    targets = [c for c in table if c.startswith("t")]
    metrics, crossed = tables_of(table, attributes, targets)
    found = suppress(metrics, pd.DataFrame(), {"intersections": crossed}, policy)
    below = policy.suppress_below
    shown, cells = found.metrics, found.tables["intersections"]
    for frame in (shown[shown["attribute"] != "all"], cells):
        for name in ("n_patients", "n_cases", "n_positive"):
            exact = frame[name].dropna()
            assert not ((exact > 0) & (exact < min(below, policy.round_to))).any()
    plain = known_of(table, shown, cells, attributes, targets)
    told = known_of(table, shown, cells, attributes, targets)
    is_told = told_classes(told, table, shown, below)
    there = set(shown["attribute"])
    n_attacked = 0
    for (kind, target, place, count), at in plain.index.items():
        names = kind if isinstance(kind, tuple) else (kind,)
        inside = (table[list(names)] == list(place if len(names) > 1 else [place])).all(axis=1)
        n = numbers(counted(table[inside], target))[count]
        # A group that holds everyone is the test set, whose totals are no secret.
        if not 0 < n < below or not set(names) <= there or table[list(names)].nunique().min() < 2:
            continue
        low, high = plain.solved(at)
        n_attacked += 1
        where = (kind, target, place, count, n, low, high)
        if len(names) > 1:
            total = numbers(counted(table, target))[count]
            assert high - low >= min(2, total), where
            assert high >= below or cells_all_hidden(cells, names, target), where
            continue
        rows = shown[(shown["attribute"] == kind) & (shown["target"] == target)]
        is_whole = (rows["state"] == "suppressed").all()
        assert high > low, where
        assert high >= below or is_whole, where
        if is_told.get((kind, target), False):
            low, high = told.solved(at)
            assert high - low + 1 >= min(3, below - 1), (*where, low, high)
    return n_attacked


def cells_all_hidden(cells, names, target):
    rows = cells[(cells["attributes"] == " × ".join(names))]
    rows = rows[rows["target"] == target] if len(rows) else rows
    return rows["n_positive"].isna().all()


cohorts = st.builds(
    cohort,
    seed=st.integers(0, 10**6),
    n_patients=st.integers(12, 160),
    n_groups=st.lists(st.integers(2, 5), min_size=2, max_size=3),
    n_targets=st.integers(1, 2),
    skew=st.sampled_from([0.3, 1.0, 5.0]),
    missing=st.sampled_from([0.0, 0.1]),
)
policies = st.builds(
    Disclosure, suppress_below=st.sampled_from([3, 5, 8, 10]), round_to=st.sampled_from([1, 5])
)


@settings(max_examples=8, deadline=None)
@given(cohorts, policies)
def test_no_hidden_count_can_be_computed_back(table, policy):
    attack(table, policy)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(cohorts, policies)
def test_no_hidden_count_can_be_computed_back_in_many_cohorts(table, policy):
    attack(table, policy)


def test_the_attacker_succeeds_where_small_counts_alone_are_hidden():
    table = cohort(1, 60, [3, 3], 1, skew=1.0, missing=0.0)
    table["a0"] = np.where(
        table["patient"] % 20 == 0, "g0", np.where(table["patient"] % 2, "g1", "g2")
    )
    attack(table, Disclosure())
    with pytest.raises(AssertionError):
        attack(table, Disclosure(complementary=False))
