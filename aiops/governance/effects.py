"""What a decision does beside moving the case: bytes are frozen, an alias is set or taken away.

Which decision has which effect is said by the lifecycle; what each effect does is data in
``configs/policy/effects.yaml``. Here it is read into a list, without doing anything; `apply` hands
each one to whoever can do it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from aiops import home
from aiops.config import Config
from aiops.errors import ConfigError
from aiops.governance.lifecycle import APPROVALS, read_lifecycle
from aiops.lookup import pick

Verb = Literal["freeze", "set", "drop"]

ASIDE = ("suspended", "deferred", "change_review")
"""States from which a case can go on where it stood; each other way out of use is for good."""


class Deed(Config):
    """What one effect does."""

    says: str
    freeze: bool = Field(default=False, description="Whether the digest is fixed from then on.")
    set: str = Field(default="", description="Alias that points to the approved digest.")
    drop: tuple[str, ...] = Field(default=(), description="Aliases that are taken away.")
    restore: bool = Field(
        default=False, description="Whether the alias of the last approval comes back."
    )


class Effects(Config):
    """Every effect by the name the lifecycle gives it, in which version."""

    kind: Literal["effects"]
    version: str
    date: str
    aliases: dict[str, str]
    effects: dict[str, Deed]

    @field_validator("date", mode="before")
    @classmethod
    def _date_as_text(cls, value: object) -> str:
        return str(value)

    @model_validator(mode="after")
    def _names_known_aliases(self) -> "Effects":
        named = {a for deed in self.effects.values() for a in (*deed.drop, deed.set) if a}
        unknown = sorted(named - set(self.aliases))
        if unknown:
            raise ValueError(f"no such alias: {', '.join(unknown)}")
        return self


@dataclass(frozen=True)
class Effect:
    """One thing that a decision does.

    Parameters
    ----------
    verb : {"freeze", "set", "drop"}
        What is done.
    alias : str
        Which alias; empty for freeze.
    use_case : str
        Slug of the case.
    digest : str
        The bytes it is about; empty for drop.
    decision : str
        Number of the decision.
    """

    verb: Verb
    alias: str
    use_case: str
    digest: str
    decision: str

    def sentence(self) -> str:
        """Return it as a person reads it.

        Examples
        --------
        >>> Effect("set", "silent", "wrist", "ab" * 32, "DEC-2026-0001").sentence()
        'alias silent of wrist points to abababababab'
        """
        told = {
            "freeze": f"the digest {self.digest[:12]} of {self.use_case} is frozen",
            "set": f"alias {self.alias} of {self.use_case} points to {self.digest[:12]}",
            "drop": f"alias {self.alias} of {self.use_case} is taken away",
        }
        return told[self.verb]


@cache
def read_effects() -> Effects:
    """Read ``configs/policy/effects.yaml``.

    Examples
    --------
    >>> read_effects().effects["remove_alias"].drop
    ('silent', 'limited', 'live')
    """
    path = home.configs_dir() / "policy" / "effects.yaml"
    try:
        return Effects.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError) as fault:
        raise ConfigError(str(fault), where=str(path), fix="mend the file") from fault


def usable_states() -> list[str]:
    """Return the states in which bytes are frozen or in use: those a step with an effect opens."""
    return [step.to_state for step in read_lifecycle().gates.values() if step.effect]


def effects_of(
    record: Mapping[str, Any], earlier: Iterable[Mapping[str, Any]] = ()
) -> list[Effect]:
    """Return what a decision does, in the order in which it is to be done.

    An alias that gives way to another is taken away first, so that no moment has both.

    Parameters
    ----------
    record : mapping
        The decision, as the ledger has it.
    earlier : iterable of mapping
        The decisions on the case before it, the oldest first; a resumption brings back the alias
        of the last approval among them.

    Raises
    ------
    ConfigError
        If the effect is not known, or it is about bytes and names none.
    """
    name = str(record.get("effect") or "")
    if not name:
        return []
    known = read_effects()
    deed = pick(known.effects, name, where=f"{record['id']}: effect")
    if deed.restore:
        last = _brought_back(record, earlier)
        deed = known.effects[last["effect"]] if last is not None else deed
        return [] if last is None or not deed.set else _done(deed, last, record["id"])
    return _done(deed, record, record["id"])


def apply(
    effects: Iterable[Effect],
    *,
    set_alias: Callable[[str, str, str], None],
    drop_alias: Callable[[str, str], None],
) -> list[str]:
    """Do what a decision does, and return it in sentences.

    Parameters
    ----------
    effects : iterable of Effect
        As `effects_of` returns them.
    set_alias : callable
        Given use case, alias and digest, points the alias to these bytes.
    drop_alias : callable
        Given use case and alias, takes the alias away; one that is not set is no fault.
    """
    told = []
    for effect in effects:
        if effect.verb == "set":
            set_alias(effect.use_case, effect.alias, effect.digest)
        elif effect.verb == "drop":
            drop_alias(effect.use_case, effect.alias)
        told.append(effect.sentence())
    return told


def aliases_after(records: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the aliases of a case and the digests they point to, folded from its decisions.

    Parameters
    ----------
    records : iterable of mapping
        The decisions on one case, the oldest first.

    Examples
    --------
    >>> aliases_after([])
    {}
    """
    found: dict[str, str] = {}
    before: list[Mapping[str, Any]] = []
    for record in records:
        for effect in effects_of(record, before):
            if effect.verb == "set":
                found[effect.alias] = effect.digest
            elif effect.verb == "drop":
                found.pop(effect.alias, None)
        before.append(record)
    return found


def _done(deed: Deed, record: Mapping[str, Any], decision: str) -> list[Effect]:
    slug = str(record["use_case"])
    digest = next((str(s["digest"]) for s in record["subject"] if s.get("digest")), "")
    if (deed.set or deed.freeze) and not digest:
        raise ConfigError(
            f"{record['id']} names no bytes, so there is nothing to {deed.says}",
            where=f"{record['id']}: subject",
            fix="decide about a run: --run DIR",
        )
    done = [Effect("freeze", "", slug, digest, decision)] if deed.freeze else []
    done += [Effect("drop", alias, slug, "", decision) for alias in deed.drop]
    return done + ([Effect("set", deed.set, slug, digest, decision)] if deed.set else [])


def endings(records: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return which approvals of bytes no longer stand, each with the decision that ended it.

    What leads out of use ends every approval before it, and so does an approval that points an
    alias to other bytes. A resumption into use brings back the bytes the case stood with when it
    was set aside, if it names no others; one after work began anew brings back nothing.

    Parameters
    ----------
    records : iterable of mapping
        The decisions on one case, the oldest first.

    Examples
    --------
    >>> endings([])
    {}
    """
    ended: dict[str, Mapping[str, Any]] = {}
    before: list[Mapping[str, Any]] = []
    for record in records:
        bound = [one for one in before if _binds(one)]
        if _leads_out(record):
            ended |= {one["id"]: record for one in bound if one["id"] not in ended}
        elif _binds(record) and _deed(record).set:
            ended |= {
                one["id"]: record
                for one in bound
                if one["id"] not in ended and not _same_bytes(one, record)
            }
        elif _deed(record).restore and (back := _brought_back(record, before)) is not None:
            for one in bound:
                if _same_bytes(one, back):
                    ended.pop(one["id"], None)
        before.append(record)
    return ended


def _deed(record: Mapping[str, Any]) -> Deed:
    return read_effects().effects.get(str(record.get("effect") or ""), Deed(says=""))


def _binds(record: Mapping[str, Any]) -> bool:
    """Return whether a decision freezes bytes or puts them to use."""
    deed = _deed(record)
    return bool(deed.freeze or deed.set)


def _leads_out(record: Mapping[str, Any]) -> bool:
    """Return whether a decision leaves a case without bytes that may be used."""
    if record["outcome"] in (*APPROVALS, "resume"):
        return False
    return record["to_state"] not in usable_states()


def _brought_back(
    record: Mapping[str, Any], earlier: Iterable[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """Return the approval that a resumption brings back: the last, if nothing ended it for good."""
    last = None
    for one in earlier:
        if _binds(one):
            last = one
        elif _leads_out(one) and one["to_state"] not in ASIDE:
            last = None
    if last is None or record["to_state"] not in usable_states():
        return None
    return last if _same_bytes(record, last) else None


def _same_bytes(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two decisions name the same bytes, as far as both of them name any."""
    mine, theirs = _named(one), _named(other)
    both = mine.keys() & theirs.keys()
    return all(mine[name] == theirs[name] for name in both)


def _named(record: Mapping[str, Any]) -> dict[str, str]:
    """Return what tells a model from another: its weights, or a vendor's product and version."""
    subject: Mapping[str, Any] = next(iter(record["subject"]), {})
    if subject.get("product"):
        return {"product": str(subject["product"])}
    told = {"model": subject.get("digest"), "weights": subject.get("digests", {}).get("weights")}
    return {name: str(digest) for name, digest in told.items() if digest}
