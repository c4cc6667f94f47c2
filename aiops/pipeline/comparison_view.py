"""A comparison of two runs as a person reads it, and as MLflow shows it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiops.files import plain
from aiops.projection import Dataset, Projection

if TYPE_CHECKING:
    import pandas as pd

Result = Mapping[str, Any]
MOST_FIGURES = 36
FEW_TARGETS = 3
GROUP_COLUMNS = (
    "target", "metric", "attribute", "group", "difference", "low", "high", "outcome",
    "levelled_down",
)  # fmt: skip
OVERALL_COLUMNS = (
    "target", "metric", "primary", "a", "b", "difference", "low", "high", "p", "p_adjusted",
    "outcome", "n_patients", "n_cases", "method", "state", "reason",
)  # fmt: skip


def comparison_lines(result: Result, *, by_group: bool, width: int = 118) -> list[str]:
    """Say what was compared, each difference with its interval, and which groups lost.

    Parameters
    ----------
    result : mapping
        What `compare_runs` found.
    by_group : bool
        Whether the groups of the primary figures are shown too.
    width : int
        Columns of the screen.
    """
    lines = [f"{side}: {result[side]['use_case']} {result[side]['run']}" for side in ("a", "b")]
    lines += ["above 0 is better for b", ""]
    told = [row for row in _shown_first(result) if row["state"] != "not_estimable"]
    lines += _table(told, width)
    left = len(result["overall"]) - len(told)
    if left:
        lines.append(f"{left} more figures, or why there are none: {result['files']['table']}")
    for answer in result["non_inferiority"]:
        lines.append(f"{answer['target']}, {answer['metric']}: {answer['sentence']}")
    if by_group:
        rows = [row for row in result["groups"] if row["primary"]]
        lines += ["", *_table(rows, width, groups=True)]
    lost = result["levelled_down"]
    if lost:
        lines.append("levelled down, worse for a group by more than chance:")
        asked = [row for row in lost if row["primary"]]
        lines += [f"  {r['attribute']} {r['group']} ({r['metric']} of {r['target']}: "
                  f"{r['sentence']})" for r in asked]  # fmt: skip
        if len(lost) > len(asked):
            lines.append(f"  {len(lost) - len(asked)} times in other figures, see the table")
    elif result["groups"]:
        lines.append("no group is shown to be served worse by b than by a")
    return [*lines, *result["notes"], f"written: {result['files']['json']}"]


def _shown_first(result: Result) -> list[Result]:
    """Return the primary metric of every target, and the other metrics where these are few."""
    metrics = {row["metric"] for row in result["primary"]}
    targets = {row["target"] for row in result["primary"]}
    if len(targets) > FEW_TARGETS:
        targets = set()
    return [r for r in result["overall"] if r["metric"] in metrics or r["target"] in targets]


def _table(rows: Sequence[Result], width: int, *, groups: bool = False) -> list[str]:
    from io import StringIO

    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    names = ["target", *(["group"] if groups else []), "metric", "a", "b", "b against a", "n"]
    for name in names:
        table.add_column(name, justify="right" if name in ("a", "b", "n") else "left",
                         no_wrap=name in ("a", "b", "n", "metric"))  # fmt: skip
    for row in rows:
        mark = "*" if row["primary"] else ""
        group = [f"{row['attribute']} {row['group']}"] if groups else []
        said = str(row["sentence"]) + (f" ({row['reason']})" if row["state"] == "small_n" else "")
        table.add_row(str(row["target"]), *group, str(row["metric"]) + mark, _number(row["a"]),
                      _number(row["b"]), said, str(row["n_cases"]))  # fmt: skip
    out = StringIO()
    console = Console(file=out, width=width, color_system=None, highlight=False, markup=False)
    console.print(table)
    return [line.rstrip() for line in out.getvalue().splitlines() if line.strip()]


def _number(value: Any) -> str:
    return "–" if value is None or value != value else f"{value:.3f}"


def project_comparison(result: Result, table: "pd.DataFrame") -> Projection:
    """Return what MLflow shows of a comparison: overall differences, no count of a group.

    Parameters
    ----------
    result : mapping
        What `compare_runs` found.
    table : DataFrame
        Every row of it.
    """
    metrics: dict[str, float] = {}
    overall = table[table["attribute"] == "all"].sort_values(
        "primary", ascending=False, kind="stable"
    )
    for row in overall.to_dict("records"):
        name = f"difference/{row['target']}/{row['metric']}"
        ends = {"": "difference", ".low": "low", ".high": "high", ".p": "p"}
        if len(metrics) + len(ends) <= MOST_FIGURES:
            found = {f"{name}{end}": float(row[key]) for end, key in ends.items()}
            metrics |= {key: value for key, value in found.items() if value == value}
    lost = [f"{r['attribute']}={r['group']} ({r['metric']} of {r['target']})"
            for r in result["levelled_down"]]  # fmt: skip
    said = [f"{r['metric']} of {r['target']}: {r['sentence']}" for r in result["primary"]]
    said += [answer["sentence"] for answer in result["non_inferiority"]]
    tags = {
        "aiops.kind": "compare",
        "aiops.use_case": result["a"]["use_case"],
        "aiops.comparison": result["name"],
        "aiops.run_a": f"{result['a']['use_case']} {result['a']['run']}",
        "aiops.run_b": f"{result['b']['use_case']} {result['b']['run']}",
        "aiops.verdict": "; ".join(str(r["outcome"]) for r in result["primary"]),
        "aiops.levelled_down": "; ".join(lost) or "no group shown to be",
        "mlflow.source.name": "aiops",
        "mlflow.note.content": "\n\n".join([f"**{said[0]}**", *said[1:], *result["notes"][-1:]]),
    }
    sealed = result["seal"]["hash"]
    return Projection(
        run_name=result["name"],
        tags=tags,
        params={"run_a": result["a"]["run"], "run_b": result["b"]["run"]},
        metrics=metrics,
        curves=(),
        dataset=Dataset(name="sealed test list", digest=sealed[:36], context="comparison",
                        source=result["a"]["use_case"], n_cases=None),
        members=(),
    )  # fmt: skip


def shared_tables(result: Result, table: "pd.DataFrame") -> dict[str, dict[str, Any]]:
    """Return the tables that may leave, as MLflow shows them: overall rows, groups both may show.

    Of a group there is the difference and no count; a group that is hidden in the report to
    share of either run is hidden here too.
    """
    import pandas as pd

    overall = table["attribute"] == "all"
    shown = _shown(result["a"]["folder"]) & _shown(result["b"]["folder"])
    keys = ["target", "attribute", "group"]
    allowed = pd.Series(
        [key in shown for key in table[keys].itertuples(index=False, name=None)],
        index=table.index, dtype=bool,
    )  # fmt: skip
    return {
        "tables/comparison.json": _columns(table.loc[overall, list(OVERALL_COLUMNS)]),
        "tables/comparison_groups.json": _columns(
            table.loc[~overall & allowed, list(GROUP_COLUMNS)]
        ),
    }


def _columns(frame: "pd.DataFrame") -> dict[str, Any]:
    return {"columns": list(frame.columns), "data": plain(frame.to_numpy(object).tolist())}


def _shown(folder: str) -> set[tuple[str, str, str]]:
    """Return the groups of a run whose figures its shareable report gives."""
    from aiops.report.files import read_run, shareable

    metrics = shareable(read_run(Path(folder))).metrics
    keys = ["target", "attribute", "group"]
    hidden = metrics.loc[metrics["state"] == "suppressed", keys]
    every = set(metrics[keys].itertuples(index=False, name=None))
    return every - set(hidden.itertuples(index=False, name=None))
