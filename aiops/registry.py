"""Which bytes are in use: aliases in MLflow's model registry, as the decisions lead to them.

A use case is a registered model under its slug. An approval points an alias (silent, limited, live)
to the version that holds the approved bytes. Bytes that are not in the store, as those of a
vendor's tool, get a tag in place of a version: the register then names product and digest.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from aiops import home
from aiops.board import is_misdated
from aiops.errors import ConfigError
from aiops.files import read_json
from aiops.governance import ledger
from aiops.governance.effects import aliases_after, read_effects
from aiops.governance.letter import use_case_markdown
from aiops.governance.standing import case_on
from aiops.governance.usecase import UseCase
from aiops.governance.views import LEDGER, SHOWN_ON, differences, shown_day
from aiops.shown import foreign_words, is_foreign, ledger_id

Client = Any
"""An MlflowClient that ``tracking`` has opened."""

_TAG = "aiops.alias."
_DIGEST = "aiops.digest"
_DESCRIPTION = "mlflow.note.content"
"""Under which name the description of a registered model is compared, as that of a run."""
OTHER_BYTES = "bytes that no decision names"


def wanted(case: UseCase, records: Iterable[ledger.Record] | None = None) -> dict[str, str]:
    """Return the aliases of a case and their digests, as its decisions lead to them.

    Parameters
    ----------
    case : UseCase
        The case.
    records : iterable of dict, optional
        Records of the ledger; read when not given.
    """
    entries = ledger.read_all() if records is None else records
    mine = [record for record in entries if record["case_id"] == case.id]
    try:
        return aliases_after(mine)
    except ConfigError:
        return {}  # a decision that names no bytes points to none


def show_aliases(client: Client, cases: Iterable[UseCase]) -> list[str]:
    """Bring every alias to what the ledger says: what is to go goes first.

    Returns
    -------
    list of str
        Models that another ledger shows under the name of a case, left as they are.
    """
    records = ledger.read_all()
    models = _models(client)
    refused = []
    for case in cases:
        model = models.get(case.slug)
        if model is not None and is_foreign(model.tags):
            refused.append(foreign_words(f"registered model {case.slug}"))
            continue
        told = wanted(case, records)
        there = _there(client, case, model)
        for alias in there:
            if alias not in told:
                drop(client, case.slug, alias)
        for alias, digest in told.items():
            if there.get(alias) != digest:
                point(client, case, alias, digest)
        if model is not None:
            _show_page(client, case, model)
    return refused


def alias_faults(client: Client, cases: Iterable[UseCase], today: date) -> Iterator[str]:
    """Tell which alias or page differs from what the ledger says; change nothing."""
    records = ledger.read_all()
    models = _models(client)
    for case in cases:
        name, model = f"{case.id} {case.slug}", models.pop(case.slug, None)
        if model is not None and is_foreign(model.tags):
            yield foreign_words(f"registered model {case.slug}")
            continue
        told = wanted(case, records)
        there = _there(client, case, model)
        for alias in sorted({*told, *there}):
            if told.get(alias) != there.get(alias):
                found, meant = (d[alias][:12] if alias in d else "nothing" for d in (there, told))
                yield (
                    f"{name}: alias {alias} points to {found or OTHER_BYTES} in MLflow, "
                    f"to {meant} by the ledger"
                )
        if model is not None:
            yield from _page_faults(case, model, today)
    for other in models.values():
        for alias in sorted(set(other.aliases) & set(read_effects().aliases)):
            yield (
                f"registered model {other.name}: alias {alias} is set, and no use case of the "
                "register has this name; take it away in MLflow"
            )


def point(client: Client, case: UseCase, alias: str, digest: str) -> None:
    """Point an alias to bytes: to their version, or by a tag where the store does not hold them."""
    models = _models(client)
    if case.slug not in models:
        client.create_registered_model(case.slug)
        _show_page(client, case, client.get_registered_model(case.slug))
    version = _version(client, case, digest)
    if version is None:
        client.set_registered_model_tag(case.slug, f"{_TAG}{alias}", _told(case, digest))
        if case.slug in models and alias in models[case.slug].aliases:
            client.delete_registered_model_alias(case.slug, alias)
        return
    client.set_registered_model_alias(case.slug, alias, version)
    if case.slug in models and f"{_TAG}{alias}" in models[case.slug].tags:
        client.delete_registered_model_tag(case.slug, f"{_TAG}{alias}")


def drop(client: Client, slug: str, alias: str) -> None:
    """Take an alias away; one that is not set is no fault."""
    model = _models(client).get(slug)
    if model is None:
        return
    if alias in model.aliases:
        client.delete_registered_model_alias(slug, alias)
    if f"{_TAG}{alias}" in model.tags:
        client.delete_registered_model_tag(slug, f"{_TAG}{alias}")


def _models(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = {}
    token: str | None = None
    while token != "":
        page = client.search_registered_models(max_results=100, page_token=token)
        found |= {model.name: model for model in page}
        token = page.token or ""
    return found


def _there(client: Client, case: UseCase, model: Any) -> dict[str, str]:
    """Return our aliases of a registered model and the digests they point to.

    The digest is empty where the version is not the one that the run of the bytes made.
    """
    if model is None:
        return {}
    ours = read_effects().aliases
    found = {}
    for alias, number in model.aliases.items():
        if alias in ours:
            version = client.get_model_version(model.name, number)
            digest = str(version.tags.get(_DIGEST, ""))
            found[alias] = digest if _is_made_by(client, case, version, digest) else ""
    for alias in ours:
        if f"{_TAG}{alias}" in model.tags:
            found.setdefault(alias, model.tags[f"{_TAG}{alias}"].rpartition("digest ")[2])
    return found


def _is_made_by(client: Client, case: UseCase, version: Any, digest: str) -> bool:
    """Return whether a version is of the run, and from the place, that a digest was approved of.

    Its tags alone prove nothing: whoever may write to the store can copy them.
    """
    runs = _runs_of(case, digest)
    if version.tags.get(_DIGEST) != digest or version.run_id not in runs:
        return False
    return bool(version.source == _place(client, case, version.run_id))


def _version(client: Client, case: UseCase, digest: str) -> str | None:
    """Return the version that holds these bytes, made where the store has them."""
    for version in client.search_model_versions(f"name = '{case.slug}'"):
        if _is_made_by(client, case, version, digest):
            return str(version.version)
    for run_id in _runs_of(case, digest):
        source = _place(client, case, run_id)
        if source:
            tags = {_DIGEST: digest}
            return str(client.create_model_version(case.slug, source, run_id, tags=tags).version)
    return None


def _place(client: Client, case: UseCase, run_id: str) -> str:
    """Return where the model of a run lies; empty where the store has not got the run."""
    experiment = client.get_experiment_by_name(f"usecase/{case.id} {case.slug}")
    query = f"attributes.run_id = '{run_id}'"
    runs = client.search_runs([experiment.experiment_id], query) if experiment else []
    if not runs:
        return ""
    uri = runs[0].data.tags.get("aiops.model_uri")
    # Without one, the models of its folds lie below the run.
    return _source(client, uri) if uri else f"runs:/{run_id}/model"


def _source(client: Client, uri: str) -> str:
    """Return where the bytes of a model lie, in words that the store at hand understands.

    MLflow looks ``models:/…`` up in the store that the process names by default. That is ours only
    on a server; elsewhere it finds nothing, and leaves an empty store in the working folder.
    """
    if str(client.tracking_uri).startswith("http"):
        return uri
    return str(client.get_logged_model(uri.removeprefix("models:/")).artifact_location)


def _runs_of(case: UseCase, digest: str) -> list[str]:
    """Return the MLflow runs that made these bytes: as the run's folder names it, as decided on."""
    found: list[str] = []
    for record in reversed(ledger.read_all()):
        for subject in record["subject"] if record["case_id"] == case.id else []:
            name = subject["model_uri"].partition("#")[0].rpartition("/")[2]
            folder = home.runs_dir(case.slug) / name
            was_trained = (folder / "training.json").exists() or "weights" in subject.get(
                "digests", {}
            )
            is_it = subject["digest"] == digest and not subject.get("product")
            if is_it and was_trained and name not in ("", ".."):
                run = folder / "run.json"  # gone with its folder where that was put away
                told = [read_json(run).get("mlflow_run_id")] if run.exists() else []
                told += [item["run_id"] for item in record["evidence"]]
                found += [str(run_id) for run_id in told if run_id]
    return list(dict.fromkeys(found))


def _told(case: UseCase, digest: str) -> str:
    """Return what stands in place of a version: the product, and the digest of what it answered."""
    products = [
        str(subject.get("product") or "")
        for record in ledger.read_all()
        if record["case_id"] == case.id
        for subject in record["subject"]
        if subject["digest"] == digest
    ]
    product = next((name for name in products if name), "bytes outside this store")
    return f"{product}; digest {digest}"


def _page(case: UseCase, day: date) -> dict[str, str]:
    """Return the tags of a registered model, and its description, as they are on a day."""
    return {
        "aiops.use_case": f"{case.id} {case.slug}",
        "aiops.state": case.state,
        "aiops.owner": case.owner or "nobody named",
        LEDGER: ledger_id(),
        _DESCRIPTION: use_case_markdown(case_on(case, day)),
    }


def _show_page(client: Client, case: UseCase, model: Any) -> None:
    """Bring the tags and the description of a registered model to what the register says."""
    today = date.today()
    there = {**model.tags, _DESCRIPTION: model.description or ""}
    changed = {k: v for k, v in _page(case, today).items() if there.get(k) != v}
    if not changed and not is_misdated(there):
        return
    for key, value in {**changed, SHOWN_ON: today.isoformat()}.items():
        if key == _DESCRIPTION:
            client.update_registered_model(case.slug, value)
        else:
            client.set_registered_model_tag(case.slug, key, value)


def _page_faults(case: UseCase, model: Any, today: date) -> Iterator[str]:
    name = f"registered model {case.slug}"
    there = {**model.tags, _DESCRIPTION: model.description or ""}
    day, faults = shown_day(there, today, name=name)
    yield from faults
    yield from differences(_page(case, day), there, name=name)
