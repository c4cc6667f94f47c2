"""What a board sees: the portfolio page, and runs that MLflow has not got yet."""

from pathlib import Path

import click

from aiops.commands.shared import emit, json_option, say


@click.command("portfolio", epilog="Example: aiops portfolio --out portfolio.html")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the page; AIOPS_HOME/portfolio.html if not said.",
)
@click.option("--no-tracking", is_flag=True, help="Do not write to MLflow.")
@json_option
def portfolio_command(out: Path | None, no_tracking: bool, as_json: bool) -> None:
    """Write one page of every project: stage, age, owner, outcome, reasons, effort, what is due."""
    from aiops import home
    from aiops.governance.portfolio import read_portfolio, write_portfolio
    from aiops.tracking import TrackingError, log_portfolio

    found = read_portfolio()
    path = write_portfolio(found, out or home.home() / "portfolio.html")
    run_id = None
    if not no_tracking:
        try:
            run_id = log_portfolio(path, found.head)
        except TrackingError as fault:
            say(f"the page is written, but MLflow has not got it:\n{fault}")
    emit({**found.to_dict(), "page": str(path), "mlflow_run_id": run_id},
         [str(path), *found.lines()], as_json=as_json)  # fmt: skip


@click.command("sync", epilog="Example: aiops sync")
@json_option
def sync_command(as_json: bool) -> None:
    """Send the runs that MLflow could not take when they were made."""
    from aiops import spool
    from aiops.tracking import TrackingError

    waits = spool.waiting()
    told = spool.send()
    emit(vars(told), told.lines() if waits else ["nothing waits"], as_json=as_json)
    if told.waiting:
        n = len(told.waiting)
        raise TrackingError(
            f"{n} run{'s' if n > 1 else ''} still wait{'' if n > 1 else 's'}",
            where=str(spool.spool_dir()),
            fix="see the reason beside each, then: aiops sync",
        )


COMMANDS = {"portfolio": portfolio_command, "sync": sync_command}
