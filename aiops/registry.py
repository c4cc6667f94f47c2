"""Which bytes are in use: aliases in MLflow's model registry, as the decisions lead to them.

A use case is a registered model under its slug. An approval points an alias (silent, limited, live)
to the version that holds the approved bytes. Bytes that are not in the store, as those of a
vendor's tool, get a tag in place of a version: the register then names product and digest.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from aiops import home
from aiops.errors import ConfigError
from aiops.files import read_json
from aiops.governance import ledger
from aiops.governance.effects import aliases_after, read_effects
from aiops.governance.letter import use_case_markdown
from aiops.governance.usecase import UseCase

Client = Any
"""An MlflowClient that ``tracking`` has opened."""

_TAG = "aiops.alias."
_DIGEST = "aiops.digest"


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


def show_aliases(client: Client, cases: Iterable[UseCase]) -> None:
    """Bring every alias to what the ledger says: what is to go goes first."""
    records = ledger.read_all()
    models = _models(client)
    for case in cases:
        told = wanted(case, records)
        there = _there(client, models.get(case.slug))
        for alias in there:
            if alias not in told:
                drop(client, case.slug, alias)
        for alias, digest in told.items():
            if there.get(alias) != digest:
                point(client, case, alias, digest)
        if case.slug in models:
            _set_tags(client, case, models[case.slug].tags)


def alias_faults(client: Client, cases: Iterable[UseCase]) -> Iterator[str]:
    """Tell which alias points elsewhere than the ledger says; change nothing."""
    records = ledger.read_all()
    models = _models(client)
    for case in cases:
        told = wanted(case, records)
        there = _there(client, models.get(case.slug))
        for alias in sorted({*told, *there}):
            if told.get(alias) != there.get(alias):
                found, meant = (d[alias][:12] if alias in d else "nothing" for d in (there, told))
                yield (
                    f"{case.id} {case.slug}: alias {alias} points to {found} in MLflow, "
                    f"to {meant} by the ledger"
                )


def point(client: Client, case: UseCase, alias: str, digest: str) -> None:
    """Point an alias to bytes: to their version, or by a tag where the store does not hold them."""
    models = _models(client)
    if case.slug not in models:
        client.create_registered_model(case.slug, description=use_case_markdown(case))
        _set_tags(client, case, {})
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


def _there(client: Client, model: Any) -> dict[str, str]:
    """Return our aliases of a registered model and the digests they point to."""
    if model is None:
        return {}
    ours = read_effects().aliases
    found = {
        alias: str(client.get_model_version(model.name, version).tags.get(_DIGEST, ""))
        for alias, version in model.aliases.items()
        if alias in ours
    }
    for alias in ours:
        if f"{_TAG}{alias}" in model.tags:
            found.setdefault(alias, model.tags[f"{_TAG}{alias}"].rpartition("digest ")[2])
    return found


def _version(client: Client, case: UseCase, digest: str) -> str | None:
    """Return the version that holds these bytes, made where the store has them."""
    for version in client.search_model_versions(f"name = '{case.slug}'"):
        if version.tags.get(_DIGEST) == digest:
            return str(version.version)
    run_id = _run_of(case, digest)
    if run_id is None:
        return None
    experiment = client.get_experiment_by_name(f"usecase/{case.id} {case.slug}")
    query = f"attributes.run_id = '{run_id}'"
    runs = client.search_runs([experiment.experiment_id], query) if experiment else []
    if not runs:
        return None
    uri = runs[0].data.tags.get("aiops.model_uri")
    if uri:
        made = client.create_model_version(
            case.slug, _source(client, uri), run_id, tags={_DIGEST: digest}
        )
    else:  # the models of its folds lie below the run
        made = client.create_model_version(
            case.slug, f"runs:/{run_id}/model", run_id, tags={_DIGEST: digest}
        )
    return str(made.version)


def _source(client: Client, uri: str) -> str:
    """Return where the bytes of a model lie, in words that the store at hand understands.

    MLflow looks ``models:/…`` up in the store that the process names by default. That is ours only
    on a server; elsewhere it finds nothing, and leaves an empty store in the working folder.
    """
    if str(client.tracking_uri).startswith("http"):
        return uri
    return str(client.get_logged_model(uri.removeprefix("models:/")).artifact_location)


def _run_of(case: UseCase, digest: str) -> str | None:
    """Return the MLflow run that made these bytes; None where they were not made here."""
    for record in reversed(ledger.read_all()):
        for subject in record["subject"] if record["case_id"] == case.id else []:
            name = subject["model_uri"].partition("#")[0].rpartition("/")[2]
            folder = home.runs_dir(case.slug) / name
            is_it = subject["digest"] == digest and not subject.get("product")
            if is_it and name not in ("", "..") and (folder / "training.json").exists():
                run_id = read_json(folder / "run.json").get("mlflow_run_id")
                return str(run_id) if run_id else None
    return None


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


def _set_tags(client: Client, case: UseCase, there: dict[str, str]) -> None:
    for key, value in (
        ("aiops.use_case", f"{case.id} {case.slug}"),
        ("aiops.state", case.state),
        ("aiops.owner", case.owner or "nobody named"),
    ):
        if there.get(key) != value:
            client.set_registered_model_tag(case.slug, key, value)
