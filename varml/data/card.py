"""The data card: the facts of the videos that were found, as JSON and as a page with a picture of each class."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd

from varml.data.duplicates import Pair
from varml.data.manifest import lengths_sec
from varml.data.names import to_text
from varml.data.splits import Splits

# More are counted, and not listed.
MAX_PAIRS = 1000
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Data card</title>
<style>
body {{ font-family: sans-serif; margin: 2em; max-width: 70em }}
table {{ border-collapse: collapse; margin-bottom: 1.5em }}
td, th {{ border-bottom: 1px solid #ccc; padding: 0.2em 0.8em; text-align: left }}
img {{ max-width: 100% }}
</style></head><body>
<h1>Data card</h1>
<p>{summary}</p>
{warnings}
{tables}
{copies}
<h2>One training video of each class</h2>
<img alt="one frame of each class" src="data:image/png;base64,{picture}">
</body></html>
"""


def data_card(
    manifest: pd.DataFrame, quarantine: pd.DataFrame, splits: Splits, pairs: Sequence[Pair] | None
) -> dict[str, Any]:
    """Return the facts: counts by class and split, lengths, sizes, rates, codecs, readers, quarantine, copies."""
    counts = manifest.groupby(["label", "split"]).size().unstack(fill_value=0)
    several = manifest.loc[manifest["num_video_streams"] > 1, "path"]
    return {
        "num_videos": len(manifest),
        "num_groups": int(manifest["group"].nunique()),
        "videos_by_class_and_split": {str(k): {str(s): int(n) for s, n in row.items()} for k, row in counts.iterrows()},
        "duration_sec": _spread(lengths_sec(manifest)),
        "fps": _spread(manifest["fps"]),
        "videos_by_size": _counts(f"{row.width} x {row.height}" for row in manifest.itertuples()),
        "videos_by_codec": _counts(manifest["codec"]),
        "videos_by_pixel_format": _counts(manifest["pixel_format"]),
        "videos_by_reader": _counts(manifest["reader"]),
        "videos_turned_or_mirrored": int(((manifest["rotation_deg"] != 0) | manifest["flipped"]).sum()),
        "videos_with_sound": int((manifest["num_audio_streams"] > 0).sum()),
        # The container's default stream is read.
        "videos_with_several_video_streams": several.tolist(),
        "num_quarantined": len(quarantine),
        "quarantined_by_reason": _counts(quarantine["reason"]),
        # None stands for not looked for.
        "num_duplicates": None if pairs is None else len(pairs),
        "duplicates": [_row(pair) for pair in (pairs or ())[:MAX_PAIRS]],
        "num_crossing_groups": splits.num_crossing,
        "warnings": splits.warnings,
    }


def data_page(card: dict[str, Any], picture: bytes) -> str:
    """Return the card as an HTML page of its own; ``picture`` is a png that shows each class."""
    copies = "not looked for" if card["num_duplicates"] is None else f"{card['num_duplicates']} pairs"
    warnings = "".join(f"<li>{escape(text)}</li>" for text in card["warnings"])
    return _PAGE.format(
        summary=escape(
            f"{card['num_videos']} videos of {card['num_groups']} groups, {card['num_quarantined']} files quarantined, "
            f"copies: {copies}"
        ),
        warnings=f"<h2>Warnings</h2><ul>{warnings}</ul>" if warnings else "",
        tables="\n".join(_table(name, value) for name, value in card.items() if isinstance(value, dict) and value),
        copies=_listed("Copies", card["duplicates"]),
        picture=base64.b64encode(picture).decode(),
    )


def _row(pair: Pair) -> dict[str, str]:
    return {"first": to_text(pair.first), "second": to_text(pair.second), "kind": pair.kind}


def _listed(title: str, rows: list[dict[str, str]]) -> str:
    return f"<h2>{title}</h2>\n{pd.DataFrame(rows).to_html(border=0, index=False)}" if rows else ""


def _table(name: str, values: dict[str, Any]) -> str:
    nested = all(isinstance(value, dict) for value in values.values())
    table = pd.DataFrame.from_dict(values, orient="index") if nested else pd.DataFrame({"": values})
    return f"<h2>{escape(name.replace('_', ' '))}</h2>\n{table.to_html(border=0, na_rep='')}"


def _counts(values: Any) -> dict[str, int]:
    # The most frequent first, so that what is rare is found at the end.
    return {str(key): count for key, count in sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))}


def _spread(values: pd.Series) -> dict[str, float]:
    return {name: float(values.quantile(place)) for name, place in (("min", 0), ("median", 0.5), ("max", 1))}
