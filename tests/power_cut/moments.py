"""When the power is cut: before or after a call, in a command that works in a world. One row a moment."""

from __future__ import annotations

from dataclasses import dataclass, field

FIRST, SECOND = "2024-03-01T00:00+00:00", "2024-03-15T00:00+00:00"  # as of which both models are trained
MARCH, APRIL = "2024-04-04T00:00+00:00", "2024-05-04T00:00+00:00"  # when these months are measured


@dataclass(frozen=True)
class Moment:
    """A call ``module:function``, and what the text of its arguments must hold."""

    call: str
    when: str
    given: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        said = ",".join(self.given.values())
        return f"{self.when}-{self.call.rpartition(':')[2]}" + (f"-{said}" if said else "")


@dataclass(frozen=True)
class Row:
    """A world, the command that is cut short in it, and when."""

    world: str
    words: tuple[str, ...]
    moment: Moment

    def __str__(self) -> str:
        return f"{'-'.join(self.words[:2])}-{self.moment}"


def approve(version: int, as_of: str) -> tuple[str, ...]:
    return "approve", str(version), "--key", ".tremplin/keys/camille", "--as-of", as_of


def stop(how: str) -> tuple[str, ...]:
    return "rollout", how, "--key", ".tremplin/keys/ines", "--reason", "too many calls", "--as-of", APRIL


def before(call: str, **given: str) -> Moment:
    return Moment(call, "before", given)


def after(call: str, **given: str) -> Moment:
    return Moment(call, "after", given)


def written(kind: str) -> Moment:
    return after("tremplin.journal:append", kind=kind)


CLIENT = "mlflow.tracking.client:MlflowClient."
DUMP = "dvc.utils.serialize._yaml:_dump"  # DVC has opened the file, which is empty now
LIVE = after("tremplin.live:change")
RUN, NEXT = ("run", "--as-of", FIRST), ("rollout", "next", "--as-of", APRIL)
TABLE: list[tuple[str, tuple[str, ...], list[Moment]]] = [
    (
        "empty",
        RUN,
        [
            before("pathlib:Path.replace", self=".snapshot.parquet"),
            before("pipelines.stages:write_json", path="snapshot.json"),
            before(DUMP, stream="snapshot.parquet.dvc"),
            before("pipelines.flows:reproduce"),
            before("json:dump", fp="rwlock"),
            before("pathlib:Path.replace", self="2-understanding.json"),
            after("pipelines.exporting:export_onnx"),
            before(DUMP, stream="dvc.lock"),
        ],
    ),
    (
        "reproduced",
        RUN,
        [
            before("pipelines.flows:record"),
            after(CLIENT + "create_run"),
            before("pipelines.recording.content:log_model"),
            after(CLIENT + "_create_logged_model"),
            before(CLIENT + "set_terminated"),
            before("pipelines.recording.versions:register"),
            after(CLIENT + "create_registered_model"),
            after(CLIENT + "create_model_version"),
            before("pipelines.flows:judge"),
        ],
    ),
    (
        "recorded",
        RUN,
        [
            before("pipelines.recording.verdicts:attach_verdict"),
            after(CLIENT + "log_dict"),
            after(CLIENT + "set_model_version_tag"),
            before("pipelines.judgements:journal_verdict"),
            written("verdict"),
        ],
    ),
    (
        "judged",
        approve(1, FIRST),
        [
            written("approval"),
            before("os:fdopen"),  # the private key's file is there, and empty
            before("pathlib:Path.rename", self="releases"),
            after("tremplin.release:write_release"),
            written("release"),
            written("go-live"),
            LIVE,
            after(CLIENT + "set_model_version_tag"),
            before("pipelines.flows:set_live_aliases"),
            before(CLIENT + "set_registered_model_alias"),
        ],
    ),
    ("judged_again", approve(2, SECOND), [written("release"), written("rollout"), LIVE]),
    (
        "worse",
        ("monitor", "2024-04", "--as-of", APRIL),
        [
            before("pathlib:Path.replace", self="2024-04"),
            after("monitoring.report:monitor_window"),
            written("retraining"),
            after(CLIENT + "create_run"),
            before("__main__:emit_to_file"),
        ],
    ),
    (
        "due",
        ("retraining", APRIL),
        [
            before("shutil:copy2", src="dvc.yaml"),
            before("pipelines.flows:record"),
            before("pipelines.flows:judge"),
            written("verdict"),
        ],
    ),
    ("challenged", NEXT, [written("wave"), LIVE]),
    ("first_wave", NEXT, [written("wave"), LIVE]),
    ("last_wave", NEXT, [written("promotion"), LIVE, after(CLIENT + "set_registered_model_alias")]),
    ("degraded", NEXT, [written("rollback"), LIVE]),
    ("first_wave", stop("halt"), [written("halt"), LIVE]),
    ("halted", stop("resume"), [written("resumption"), LIVE]),
    (
        "first_wave",
        stop("rollback"),
        [written("rollback"), LIVE, before(CLIENT + "delete_registered_model_alias")],
    ),
]
ROWS = [Row(world, words, moment) for world, words, moments in TABLE for moment in moments]

AS_OF = "2024-05-01T00:00+00:00"  # of the checkout that other tests have made a run in
QUICK = [
    Row("run", approve(1, AS_OF), moment)
    for moment in (
        before("os:fdopen"),
        before("pathlib:Path.rename", self="releases"),
        written("release"),
        written("go-live"),
        LIVE,
    )
]
