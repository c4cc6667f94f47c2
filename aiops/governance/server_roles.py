"""Accounts on a shared MLflow server: who may add a decision, and who completes its entry.

A signer may make a run in ``governance/decisions``, complete in that one call, and can change
nothing afterwards; the registrar attaches files and ends runs. Both are roles of MLflow's own
basic-auth, made here through its REST interface. An administrator of the server, and whoever can
write its database, can do anything: proof is the ledger with its signatures, not the server.
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from aiops.errors import AiopsError, ConfigError

DECISIONS = "governance/decisions"
SIGNER, REGISTRAR = "aiops-signer", "aiops-registrar"
WORKSPACE = "default"
SECONDS = 30.0

Permission = tuple[str, str, str]
"""Kind of resource, which of them, and what is allowed."""


class ServerError(AiopsError):
    """The MLflow server refused, or does not answer."""


@dataclass(frozen=True)
class Admin:
    """An administrator's way to a server."""

    uri: str
    username: str
    password: str

    def call(self, verb: str, path: str, told: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask the server; what is told goes into the address of a GET, else into the body.

        Raises
        ------
        ServerError
            With its answer, if it refuses; without a password.
        """
        address = f"{self.uri.rstrip('/')}/api/{path}"
        if verb == "GET" and told:
            address += "?" + urlencode(dict(told))
        body = json.dumps(dict(told or {})).encode() if verb != "GET" else None
        secret = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        heads = {"Authorization": f"Basic {secret}", "Content-Type": "application/json"}
        try:
            asked = Request(address, body, heads, method=verb)
            with urlopen(asked, timeout=SECONDS) as answer:
                content = answer.read()
        except HTTPError as fault:
            with fault:
                words = fault.read().decode(errors="replace")[:300]
            raise self._refused(verb, path, fault.code, words) from None
        except (URLError, TimeoutError) as fault:
            raise ServerError(
                f"the server does not answer: {getattr(fault, 'reason', fault)}",
                where=_shown(self.uri),
                fix="see that it runs, and that the address is right",
            ) from None
        return dict(json.loads(content)) if content.strip().startswith(b"{") else {}

    def _refused(self, verb: str, path: str, code: int, words: str) -> ServerError:
        fix = {
            401: "check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
            403: "use the account of an administrator",
            404: "is the server started with --app-name basic-auth?",
        }.get(code, "see what it says")
        return ServerError(
            f"{verb} {path}: {code} {words}".strip(), where=_shown(self.uri), fix=fix
        )


@dataclass(frozen=True)
class Roles:
    """What stands on the server now, and what was made or changed for it."""

    experiment_id: str
    made: tuple[str, ...]


def set_roles(
    admin: Admin,
    *,
    signers: Iterable[str] = (),
    registrar: str | None = None,
    password: Callable[[str], str],
) -> Roles:
    """Make the experiment, the two roles and the accounts; what is there already stays.

    Parameters
    ----------
    admin : Admin
        Who is allowed to.
    signers : iterable of str
        Accounts that may add decisions.
    registrar : str, optional
        Account that attaches files and ends runs; one, or two would write two ledgers.
    password : callable
        Gives the first password of an account that is not there yet.

    Raises
    ------
    ConfigError
        If an account would be both, or is an administrator, whom no role restricts.
    ServerError
        If the server refuses or does not answer.
    """
    people = [(name, SIGNER) for name in signers]
    people += [(registrar, REGISTRAR)] if registrar else []
    names = [name for name, _ in people]
    if len(set(names)) < len(names):
        raise ConfigError(
            "one account cannot be signer and registrar, or stand twice",
            where="server roles",
            fix="name different accounts",
        )
    made: list[str] = []
    # Made by the administrator: whoever makes an experiment may delete its runs.
    experiment_id = _experiment(admin, made)
    wanted: dict[str, tuple[Permission, ...]] = {
        SIGNER: (("experiment", experiment_id, "EDIT"), ("run", "*", "READ")),
        REGISTRAR: (("experiment", "*", "EDIT"), ("registered_model", "*", "EDIT")),
    }
    ids = {name: _role(admin, name, rows, made) for name, rows in wanted.items()}
    for name, role in people:
        _account(admin, name, ids[role], role, password, made)
    return Roles(experiment_id, tuple(made))


def _experiment(admin: Admin, made: list[str]) -> str:
    path = "2.0/mlflow/experiments"
    try:
        found = admin.call("GET", f"{path}/get-by-name", {"experiment_name": DECISIONS})
        return str(found["experiment"]["experiment_id"])
    except ServerError as fault:
        if "RESOURCE_DOES_NOT_EXIST" not in fault.what:
            raise
    made.append(f"experiment {DECISIONS}")
    return str(admin.call("POST", f"{path}/create", {"name": DECISIONS})["experiment_id"])


def _role(admin: Admin, name: str, wanted: Iterable[Permission], made: list[str]) -> int:
    """Make a role that allows exactly what is wanted; what was added to it is taken away."""
    path = "3.0/mlflow/roles"
    roles = admin.call("GET", f"{path}/list", {"workspace": WORKSPACE})["roles"]
    role = next((one for one in roles if one["name"] == name), None)
    if role is None:
        told = {"workspace": WORKSPACE, "name": name, "description": "made by aiops server roles"}
        role = admin.call("POST", f"{path}/create", told)["role"]
        made.append(f"role {name}")
    number = int(role["id"])
    rows = admin.call("GET", f"{path}/permissions/list", {"role_id": number})["role_permissions"]
    there = {(r["resource_type"], r["resource_pattern"], r["permission"]): r["id"] for r in rows}
    for extra in there.keys() - set(wanted):
        admin.call("DELETE", f"{path}/permissions/remove", {"role_permission_id": there[extra]})
        made.append(f"{name}: took away {' '.join(extra)}")
    for kind, which, allowed in wanted:
        if (kind, which, allowed) not in there:
            row = {"role_id": number, "resource_type": kind, "resource_pattern": which,
                    "permission": allowed}  # fmt: skip
            admin.call("POST", f"{path}/permissions/add", row)
            made.append(f"{name}: {kind} {which} {allowed}")
    return number


def _account(
    admin: Admin,
    name: str,
    role_id: int,
    role: str,
    password: Callable[[str], str],
    made: list[str],
) -> None:
    users = "2.0/mlflow/users"
    try:
        user = admin.call("GET", f"{users}/get", {"username": name})["user"]
    except ServerError as fault:
        if "RESOURCE_DOES_NOT_EXIST" not in fault.what:
            raise
        told = {"username": name, "password": password(name)}
        user = admin.call("POST", f"{users}/create", told)["user"]
        made.append(f"account {name}")
    if user["is_admin"]:
        raise ConfigError(
            f"{name} is an administrator, whom no role restricts",
            where=_shown(admin.uri),
            fix="use an account that is none",
        )
    roles = admin.call("GET", "3.0/mlflow/users/roles/list", {"username": name})["roles"]
    others = [r["name"] for r in roles if r["id"] != role_id]
    if others:
        raise ConfigError(
            f"{name} holds other roles too and may do what they allow: {', '.join(others)}",
            where=_shown(admin.uri),
            fix=f"take them away, or use an account that is {role} alone",
        )
    if not roles:
        admin.call("POST", "3.0/mlflow/roles/assign", {"username": name, "role_id": role_id})
        made.append(f"{name} is {role}")


def _shown(uri: str) -> str:
    """Return an address without a password that somebody wrote into it."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
