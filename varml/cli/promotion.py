"""Words for what came of a promotion."""

from __future__ import annotations

from varml.tracking.registry.promotion import Promotion


def refusal(promotion: Promotion) -> str:
    """Return why a version is refused, a reason a line."""
    lines = [f"  - {reason}" for reason in promotion.verdict.reasons]
    kept = f"version {promotion.before} stays @champion" if promotion.before else "there is no champion"
    return "\n".join([f"version {promotion.version.number} is not promoted, {kept}:", *lines])


def outcome(promotion: Promotion, *, dry_run: bool) -> str:
    """Return what was decided, or would be, and the figures behind it."""
    name, number, before = promotion.version.name, promotion.version.number, promotion.before
    if number == before:
        return f"{name} version {number} is @champion already"
    figures = ", ".join(f"{figure} {value:.4g}" for figure, value in promotion.verdict.figures.items())
    if not promotion.promoted:
        return "\n".join([refusal(promotion), *([f"  ({figures})"] if figures else [])])
    said = f"{'would be' if dry_run else 'is'} @champion" + (f" in place of version {before}" if before else "")
    passed_over = [f"  passed over: {reason}" for reason in promotion.verdict.reasons]
    return "\n".join([f"{name} version {number} {said}{f' ({figures})' if figures else ''}", *passed_over])
