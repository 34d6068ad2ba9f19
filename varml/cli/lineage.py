"""Words for where a version comes from, and for what came of making it again."""

from __future__ import annotations

from varml.tracking.provenance.reproduction import Reproduction
from varml.tracking.provenance.trace import Trace

# Of the environment those that decide what comes out; all are in the run's provenance/requirements.txt.
SHOWN = ("varml", "torch", "torchvision", "timm", "numpy", "opencv-python-headless", "av", "decord", "simplejpeg")
# What is named even where it is not known.
NEEDED = ("commit", "study", "trials", "environment")


def describe_trace(traced: Trace) -> str:
    """Return where a version comes from, a fact a line."""
    version = traced.version
    rows = {
        "version": f"{version.name} {version.number}" + (f", gate: {traced.decision}" if traced.decision else ""),
        "model": version.digest,
        "run": version.run.run_id if version.run else "",
        "commit": ", ".join(filter(None, [traced.commit, traced.changed])),
        "DVC experiment": traced.experiment,
        "study": traced.study,
        "trials": ", ".join(map(str, traced.trials)),
        **{f"input {path}": digest for path, digest in traced.inputs.items()},
        "machine": traced.python,
        "environment": " ".join(line for line in traced.environment if line.split("==")[0].lower() in SHOWN),
    }
    if traced.restored:
        rows["restored"] = "from DVC's cache; the run that trained it is in another store"
    shown = {name: value or "not known" for name, value in rows.items() if value or name in NEEDED}
    width = max(map(len, shown))
    return "\n".join(f"{name:{width}}  {value}" for name, value in shown.items())


def describe_reproduction(made: Reproduction) -> str:
    """Return whether it is the same model, and if not, how its answers differ."""
    lines = [f"the model in {made.folder} is {'' if made.same_bytes else 'not '}the same to the byte"]
    if made.num_videos is None:
        lines.append("its answers cannot be compared: the version has no evaluation on these test videos")
    else:
        lines.append(
            f"{made.num_videos - (made.num_other or 0)} of {made.num_videos} answers on the test videos are the same; "
            f"the largest difference of a probability is {made.largest:.3g}"
        )
    if made.versions:
        lines.append(f"the run had other versions: {' '.join(made.versions)}")
    return "\n".join(lines)
