"""The page docs/benchmarks.md: every number in it comes from the figures, between two markers."""

from __future__ import annotations

from statistics import median
from typing import Any

from tests.results import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
HEAD = "| figure | goal | measured | |\n|---|---|---|---|\n"

Figures = dict[str, Any]


def write(figures: Figures) -> None:
    """Put the section between the markers; what is around it stays."""
    text = PAGE.read_text("utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n{section(figures)}{END}{after}", "utf-8")


def section(figures: Figures) -> str:
    """Machine, goals, contestants, and what was not measured."""
    parts = [
        told(figures),
        HEAD + "".join(goals(figures)),
        *paced(figures),
        contestants(figures),
        *left_out(figures),
    ]
    return "\n".join(parts)


def told(figures: Figures) -> str:
    """Where and how it was measured."""
    here, load = figures["machine"], figures["load"]
    commit = f"`{figures['commit'][:12]}`{' and what was changed since' if figures['dirty'] else ''}"
    machine = f"{here['cores']} cores of an {here['cpu']}, {here['memory_gib']} GiB, {here['system']}, Python {here['python']}"
    return (
        f"Measured {figures['measured_at'][:10]} at commit {commit}, on {machine}, with {load['wrk']}: {load['rounds']} rounds "
        f"of {load['seconds']:g} s after {load['warm_seconds']:g} s to warm up, {load['connections']} connections, "
        f"{load['rows']:,} real rows, {load['trees']} trees.\n"
    )


def goals(figures: Figures) -> list[str]:
    """A line for each goal of the server."""
    rate = {name: one["median"]["requests_per_second"] for name, one in figures["contestants"].items()}
    ours = figures["contestants"]["tremplin"]["median"]
    lines = [
        line(
            "one row a request, whole path, against the validating no-op",
            2.0,
            rate["tremplin"] / rate["noop"],
            "times",
        )
    ]
    for form, goal in (("default", 40.0), ("best", 2.5)):
        peers = {name: one for name, one in rate.items() if name.endswith(f" {form}")}
        if peers:
            fastest = max(peers, key=peers.__getitem__)
            said = f"... against the fastest peer in its {form} form ({fastest})"
            lines.append(line(said, goal, rate["tremplin"] / peers[fastest], "times"))
    asked = "half of tremplin's maximum"
    own, noops = (
        median(one[f"{name} at {asked}"]["p99_ms"] for one in figures["paced"])
        for name in ("tremplin", "noop")
    )
    lines.append(
        line(
            "p99 at half of its own maximum, against the no-op's at the same rate",
            noops,
            own,
            " ms",
            most=True,
        )
    )
    batches = figures["batches"]
    if isinstance(batches, list):
        bare = median(one["onnx"] for one in batches)
        by = {kind: [one[kind] / bare for one in batches if one.get(kind)] for kind in ("binary", "json")}
        if by["binary"]:
            lines.append(
                line(
                    "1,000-row body by binary tensors, rows/s against bare ONNX Runtime",
                    0.5,
                    median(by["binary"]),
                    "times",
                )
            )
        lines.append(f"| ... by JSON | stated | {median(by['json']):.2f} times of {bare:,.0f} rows/s | |\n")
    else:
        lines.append(unmeasured("1,000-row body", "≥ 0.5 times", batches))
    explained = figures["explanation_ms"]
    said = "one row answered with its exact explanation, median"
    lines.append(
        line(said, 5.0, median(explained), " ms", most=True)
        if isinstance(explained, list)
        else unmeasured(said, "≤ 5 ms", explained)
    )
    two = figures["two_workers"]
    said = "two workers against one"
    lines.append(
        line(said, 1.7, two["two"] / two["one"], "times")
        if "two" in two
        else unmeasured(said, "≥ 1.7 times", two)
    )
    lines.append(
        line("memory of a worker after the load (PSS)", 150.0, ours["pss_mib"] * 1.048576, " MB", most=True)
    )
    started = figures["ready_seconds"]
    said = "process start to ready, median"
    lines.append(
        line(said, 2.0, median(started), " s", most=True)
        if isinstance(started, list)
        else unmeasured(said, "≤ 2 s", started)
    )
    image = figures["image"]
    said = "image over its base"
    lines.append(
        line(said, 200.0, image["over_base_mb"], " MB", most=True)
        if "over_base_mb" in image
        else unmeasured(said, "≤ 200 MB", image)
    )
    return lines


def line(figure: str, goal: float, measured: float, unit: str, *, most: bool = False) -> str:
    """A goal, what was measured, and whether it is met; ``most``: less is better."""
    met = measured <= goal if most else measured >= goal
    shown_unit = f" {unit}" if unit == "times" else unit
    return (
        f"| {figure} | {'≤' if most else '≥'} {number(goal)}{shown_unit} | {number(measured)}{shown_unit} | "
        f"{'met' if met else '**not met**'} |\n"
    )


def unmeasured(figure: str, goal: str, why: dict[str, Any]) -> str:
    """A goal that could not be looked at."""
    return f"| {figure} | {goal} | not measured: {why['not_measured'].splitlines()[0][:200]} | |\n"


def paced(figures: Figures) -> list[str]:
    """Latency at given rates, both servers."""
    rounds = figures["paced"]
    if not isinstance(rounds, list) or not rounds:
        return []
    lines = [
        "| at a steady rate | requests/s | p50 ms | p99 ms | p99.9 ms | unanswered |\n|---|---|---|---|---|---|\n"
    ]
    for name in rounds[0]:
        middle = {figure: median(one[name][figure] for one in rounds) for figure in rounds[0][name]}
        lines.append(
            f"| {name} | {middle['rate']:,.0f} | {number(middle['p50_ms'])} | {number(middle['p99_ms'])} | "
            f"{number(middle['p999_ms'])} | {middle['unanswered']:.0f} |\n"
        )
    return ["".join(lines)]


def contestants(figures: Figures) -> str:
    """Everybody, the fastest first."""
    everybody = figures["contestants"]
    noop = everybody["noop"]["median"]["requests_per_second"]
    lines = [
        "| | requests/s | of the no-op | CPU µs a request | p50 ms | p99 ms | memory MiB | ready s | form |\n"
        + "|---" * 9
        + "|\n"
    ]
    for name, one in sorted(everybody.items(), key=lambda item: -item[1]["median"]["requests_per_second"]):
        middle = one["median"]
        rates = [round_["requests_per_second"] for round_ in one["rounds"]]
        held = next(iter(one["versions"].items()))
        version = f" ({' '.join(held)})" if name.endswith((" default", " best")) else ""
        lines.append(
            f"| {name}{version} | {middle['requests_per_second']:,.0f} ({min(rates):,.0f} to {max(rates):,.0f}) | "
            f"{number(middle['requests_per_second'] / noop)} | {number(middle['cpu_us'])} | "
            f"{number(middle['p50_ms'])} | {number(middle['p99_ms'])} | "
            f"{middle['pss_mib']:.0f} | {middle['ready_seconds']:.1f} | {one['form']} |\n"
        )
    return "".join(lines)


def left_out(figures: Figures) -> list[str]:
    """Who could not be measured, and why."""
    reasons = [f"- {name}: {why.splitlines()[-1][:300]}\n" for name, why in figures["not_measured"].items()]
    return ["Not measured:\n\n" + "".join(reasons)] if reasons else []


def number(value: float) -> str:
    """Three digits that mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
