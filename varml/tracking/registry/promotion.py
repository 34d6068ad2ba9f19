"""Which version serves, and why: a gate lets a version take the champion's place, and the way back is kept.

What was decided stands on the version: tags ``varml.gate`` (passed, refused, forced) and ``varml.gate.FIGURE``, and its
description in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from varml.config.register_params import Gate
from varml.errors import TrackingError
from varml.tracking.registry.evaluations import Evaluation, evaluated_sets, read_evaluation
from varml.tracking.registry.gate import Verdict, judge
from varml.tracking.registry.versions import CHAMPION, Version, champion_of, find_version
from varml.tracking.store import open_client

DECISION = "varml.gate"
# Tag of the registered model: the versions that were champions, the present one last.
CHAMPIONS = "varml.champions"
# Of which so many are kept: a tag has its limit.
MAX_CHAMPIONS = 100
MAX_REASONS = 10
# Between the decision and what somebody wrote about a version.
_BELOW = "\n\n---\n\n"
_MAX_DESCRIPTION = 5000  # in MLflow's database


@dataclass(frozen=True)
class Promotion:
    """What came of asking that ``version`` be the champion in place of ``before``: the verdict, and if it is now.

    ``forced`` is the reason that was given for passing over the verdict.
    """

    version: Version
    before: str | None
    verdict: Verdict
    promoted: bool
    forced: str | None = None


def promote(
    name: str, gate: Gate, number: str | None = None, *, dry_run: bool = False, forced: str | None = None
) -> Promotion:
    """Make a version of the model ``name`` the champion if ``gate`` lets it pass, or for the reason ``forced``.

    ``number`` None is the present challenger. With ``dry_run`` nothing is changed. Raises TrackingError where there is
    no such version.
    """
    client = open_client()
    version, champion = find_version(client, name, number), champion_of(client, name)
    before = champion.number if champion else None
    if version.number == before:
        return Promotion(version, before, Verdict(), promoted=True)
    verdict = _verdict(version, champion, gate)
    promotion = Promotion(version, before, verdict, verdict.passes or forced is not None, forced)
    if not dry_run:
        _record(client, promotion, gate)
        if promotion.promoted:
            _move(client, version, before)
    return promotion


def rollback(name: str) -> tuple[str, str]:
    """Make the champion before the present one the champion again, and return both, the present one first.

    Raises TrackingError where there was none before, or it is gone.
    """
    client = open_client()
    champion = champion_of(client, name)
    if champion is None:
        raise TrackingError(f"model {name!r} has no champion to go back from; run `dvc repro` first")
    earlier = _champions(client, name, champion.number)[:-1]
    if not earlier:
        raise TrackingError(f"version {champion.number} is the first champion of {name!r}; there is none to go back to")
    known = {str(one.version) for one in client.search_model_versions(f"name='{name}'")}
    kept = [number for number in earlier if number in known]
    if not kept:
        raise TrackingError(
            f"every champion of {name!r} before version {champion.number} was deleted; promote another version"
        )
    client.set_registered_model_alias(name, CHAMPION, kept[-1])
    client.set_registered_model_tag(name, CHAMPIONS, " ".join(kept))
    return champion.number, kept[-1]


def _verdict(version: Version, champion: Version | None, gate: Gate) -> Verdict:
    sets = [] if version.run is None else evaluated_sets(version.run)
    found = [
        (own, _evaluation(champion, one) if champion else None) for one in sets if (own := _evaluation(version, one))
    ]
    if not found:
        return Verdict(
            [
                f"no evaluation of version {version.number} is with its run; `dvc repro --single-item --force "
                "evaluate` makes one of the model in model/, where that is this version"
            ]
        )
    common = next(((own, other) for own, other in found if other or not champion), None)
    if common is None:
        return Verdict(
            [
                f"version {version.number} and the champion, version {champion.number if champion else ''}, were "
                "evaluated on different test videos; `dvc repro --single-item --force evaluate` asks both about the "
                "present ones, where model/ is this version"
            ]
        )
    return judge(*common, gate)


def was_judged(version: Version) -> bool:
    """Return whether the gate was asked about a version before."""
    return DECISION in version.tags


def _evaluation(version: Version, test_set: str) -> Evaluation | None:
    found = read_evaluation(version.run, test_set) if version.run else None
    # A run may have been given to another model by hand.
    return found if found and found.model_digest == version.digest else None


def _move(client: Any, version: Version, before: str | None) -> None:
    # The list comes first: where a kill comes between, what the alias says is cut out of it again.
    champions = [*(_champions(client, version.name, before) if before else []), version.number]
    client.set_registered_model_tag(version.name, CHAMPIONS, " ".join(champions[-MAX_CHAMPIONS:]))
    client.set_registered_model_alias(version.name, CHAMPION, version.number)


def _champions(client: Any, name: str, present: str) -> list[str]:
    """Return the versions that were champions, the present one last, also where an alias was moved by hand."""
    known = client.get_registered_model(name).tags.get(CHAMPIONS, "").split()
    if present not in known:
        return [*known, present]
    while known[-1] != present:
        known.pop()
    return known


def _record(client: Any, promotion: Promotion, gate: Gate) -> None:
    version, (name, number) = promotion.version, (promotion.version.name, promotion.version.number)
    for key in version.tags:
        if key.startswith(f"{DECISION}."):
            client.delete_model_version_tag(name, number, key)
    for figure, value in promotion.verdict.figures.items():
        client.set_model_version_tag(name, number, f"{DECISION}.{figure}", f"{value:.4f}")
    client.set_model_version_tag(name, number, DECISION, _decision(promotion))
    said = client.get_model_version(name, number).description or ""
    # What stood there before the first decision lies below each later one.
    theirs = said.partition(_BELOW)[2] if was_judged(version) else said
    described = describe(promotion, gate) + (f"{_BELOW}{theirs}" if theirs else "")
    client.update_model_version(name, number, description=described[:_MAX_DESCRIPTION])


def _decision(promotion: Promotion) -> str:
    if promotion.verdict.passes:
        return "passed"
    return "forced" if promotion.promoted else "refused"


def describe(promotion: Promotion, gate: Gate) -> str:
    """Return the decision in Markdown: what was decided, why, and the figures."""
    verb = "passed the gate" if promotion.verdict.passes else "was refused by the gate"
    against = f" against version {promotion.before}" if promotion.before else ", without a champion to compare with"
    lines = [f"Version {promotion.version.number} {verb}{against}."]
    lines += [f"- {reason}" for reason in promotion.verdict.reasons[:MAX_REASONS]]
    rest = len(promotion.verdict.reasons) - MAX_REASONS
    lines += [f"- and {rest} more"] if rest > 0 else []
    if promotion.forced is not None:
        lines += ["", f"It was promoted all the same: {promotion.forced}"]
    if promotion.verdict.figures:
        lines += ["", "| figure | value |", "| --- | --- |"]
        lines += [f"| {name} | {value:.4g} |" for name, value in promotion.verdict.figures.items()]
        lines += ["", f"Judged by {gate.metric} and the bounds of `register.gate`: {gate.model_dump_json()}"]
    return "\n".join(lines)
