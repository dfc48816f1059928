"""One MLflow run and one version a result, whatever was interrupted; read back through MLflow's own client."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipelines.gate import gate
from pipelines.recording import (
    Recorded,
    attach_verdict,
    record,
    set_aliases,
    tag_version,
    version_facts,
)
from pipelines.verdict import Verdict, verdict_hash
from tests.results import AS_OF, ROOT, Result, made_again
from tremplin import live
from tremplin.canonical import digest
from tremplin.errors import TremplinError
from tremplin.frame import model_columns, model_frame
from tremplin.live import Live
from tremplin.lock import md5_by_dvc, result_hash
from tremplin.onnx_model import OnnxModel
from tremplin.release import sha256
from tremplin.store import open_store
from tremplin.tracking import tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient


def fresh(honest: Result, empty_mlflow: Path, root: Path) -> Result:
    copied = honest.copy(root)
    copied.settings.home.mkdir(parents=True)
    shutil.copy(empty_mlflow, copied.settings.home / "mlflow.db")
    return copied


@pytest.fixture
def result(honest_result: Result, empty_mlflow: Path, tmp_path: Path) -> Result:
    return fresh(honest_result, empty_mlflow, tmp_path / "copy")


@pytest.fixture
def recorded(result: Result) -> Recorded:
    return recorded_of(result)


@pytest.fixture(scope="module")
def kept(
    honest_result: Result, empty_mlflow: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Result, Recorded]:
    """A result and its recording, for tests that only read."""
    result = fresh(honest_result, empty_mlflow, tmp_path_factory.mktemp("kept"))
    return result, recorded_of(result)


@pytest.fixture
def client(result: Result) -> MlflowClient:
    return tracking(result.settings)


@pytest.fixture
def verdict(honest_result: Result) -> Verdict:
    return gate(
        honest_result.pilot,
        honest_result.paths,
        champion=None,
        as_of=AS_OF,
        settings=honest_result.settings,
        remade=made_again,
    )


def recorded_of(result: Result) -> Recorded:
    return record(result.pilot, result.paths, result.settings, as_of=AS_OF)


def another(result: Result) -> Recorded:
    """Record a second result: the same files, another lock."""
    lock = result.root / "dvc.lock"
    lock.write_text(lock.read_text("utf-8").replace("python -m", f"python{lock.stat().st_size} -m"), "utf-8")
    return recorded_of(result)


def blocked(verdict: Verdict) -> Verdict:
    check = verdict.checks[0].model_copy(update={"passed": False})
    return verdict.model_copy(update={"passed": False, "checks": [check, *verdict.checks[1:]]})


def runs(client: MlflowClient) -> list[str]:
    experiment = client.get_experiment_by_name("flights")
    assert experiment is not None
    return [run.info.status for run in client.search_runs([experiment.experiment_id])]


def test_a_run_says_where_the_model_comes_from(kept: tuple[Result, Recorded]) -> None:
    (result, recorded), client = kept, tracking(kept[0].settings)
    run = client.get_run(recorded.run_id)
    assert recorded.created
    assert run.info.status == "FINISHED"
    expected = {
        "result": result_hash(result.root, "flights"),
        "lock": result_hash(result.root, "flights"),
        "data": sha256(result.paths.snapshot),
        "data_md5": md5_by_dvc(result.paths.snapshot),
        "contract": result.pilot.contract_hash,
        "model": sha256(result.paths.model / "model.onnx"),
        "as_of": AS_OF.isoformat(),
        "pilot": "flights",
        "commit": recorded.commit,
        "dirty": str(recorded.dirty).lower(),
    }
    tags = run.data.tags
    assert {key: tags[f"tremplin.{key}"] for key in expected} == expected
    version = client.get_model_version("flights", str(recorded.model_version))
    assert {key: version.tags[f"tremplin.{key}"] for key in expected} == expected
    assert version.run_id == recorded.run_id
    assert version.aliases == ["challenger"]


def test_a_run_holds_parameters_measures_and_files(kept: tuple[Result, Recorded]) -> None:
    (result, recorded), client = kept, tracking(kept[0].settings)
    run = client.get_run(recorded.run_id)
    assert run.data.params["model.candidates.boosted.trees"] == "40"
    assert run.data.params["data.evaluation_days"] == "14"
    assert run.data.params["winner"] == "boosted"
    evaluation = json.loads(result.paths.report(5, "evaluation").read_text("utf-8"))
    metrics = run.data.metrics
    for name, end in (("roc_auc", "value"), ("roc_auc_low", "low"), ("roc_auc_high", "high")):
        assert metrics[name] == pytest.approx(evaluation["roc_auc"][end])
    assert metrics["by_site.LGA.brier"] == pytest.approx(evaluation["by_site"]["LGA"]["brier"]["value"])
    assert metrics["latency_one_row_ms"] > 0
    names = {item.path for item in client.list_artifacts(recorded.run_id)}
    assert {"dvc.lock", "contract.yaml", "pilot.yaml", "reports", "plots"} <= names
    assert {Path(item.path).name for item in client.list_artifacts(recorded.run_id, "reports")} == {
        path.name for path in result.paths.reports.glob("*.json")
    }
    assert (
        len(client.list_artifacts(recorded.run_id, "plots"))
        == len(list(result.paths.reports.rglob("*.png")))
        > 0
    )


def test_datasets_are_named_by_dvcs_hash(kept: tuple[Result, Recorded]) -> None:
    (result, recorded), client = kept, tracking(kept[0].settings)
    inputs = client.get_run(recorded.run_id).inputs.dataset_inputs
    found = {tag.value: item for item in inputs for tag in item.tags if tag.key == "mlflow.data.context"}
    assert set(found) == {"snapshot", "train", "evaluation"}
    train = found["train"]
    md5 = md5_by_dvc(result.paths.prepared / "train.parquet")
    assert train.dataset.name == "data/flights/prepared/train.parquet"
    assert train.dataset.digest == md5
    assert {tag.key: tag.value for tag in train.tags}["dvc_md5"] == md5
    assert json.loads(train.dataset.profile)["num_rows"] == len(result.part("train"))
    columns = json.loads(train.dataset.schema)["mlflow_colspec"]
    assert [column["name"] for column in columns] == [column.name for column in result.pilot.contract.columns]


def test_the_registered_model_is_the_one_that_was_evaluated(kept: tuple[Result, Recorded]) -> None:
    result, recorded = kept
    import mlflow

    tracking(result.settings)
    uri = f"models:/flights/{recorded.model_version}"
    signature = mlflow.models.get_model_info(uri).signature
    assert signature.inputs.input_names() == [feature.name for feature in result.pilot.contract.features]
    rows = result.part("evaluation").head(50)
    columns = model_columns(model_frame(rows, result.pilot.contract))
    ours = OnnxModel(result.paths.model / "model.onnx", result.pilot.contract).score(columns)
    session = mlflow.onnx.load_model(uri)
    again = result.root / "again.onnx"
    again.write_bytes(session.SerializeToString())
    assert np.array_equal(OnnxModel(again, result.pilot.contract).score(columns), ours)


def test_recording_twice_is_a_no_op(kept: tuple[Result, Recorded]) -> None:
    (result, recorded), client = kept, tracking(kept[0].settings)
    again = recorded_of(result)
    assert not again.created
    assert (again.run_id, again.model_version) == (recorded.run_id, recorded.model_version)
    assert runs(client) == ["FINISHED"]
    assert len(client.search_model_versions("name = 'flights'")) == 1


def test_another_result_is_another_run_and_version(
    result: Result, recorded: Recorded, client: MlflowClient
) -> None:
    second = another(result)
    assert second.created
    assert (second.model_version, second.result_hash) != (recorded.model_version, recorded.result_hash)
    assert runs(client) == ["FINISHED", "FINISHED"]
    assert client.get_model_version_by_alias("flights", "challenger").version == second.model_version


def test_a_recording_cut_short_before_the_version_is_completed(
    result: Result, recorded: Recorded, client: MlflowClient
) -> None:
    client.delete_registered_model("flights")
    again = recorded_of(result)
    assert again.run_id == recorded.run_id
    assert runs(client) == ["FINISHED"]
    assert client.get_model_version_by_alias("flights", "challenger").run_id == recorded.run_id


def test_a_recording_cut_short_before_the_alias_is_completed(
    result: Result, recorded: Recorded, client: MlflowClient
) -> None:
    client.delete_registered_model_alias("flights", "challenger")
    recorded_of(result)
    assert client.get_model_version("flights", str(recorded.model_version)).aliases == ["challenger"]


def test_a_run_cut_short_is_deleted_and_replaced(result: Result, client: MlflowClient) -> None:
    experiment = client.create_experiment("flights", artifact_location=(result.root / "artifacts").as_uri())
    begun = client.create_run(experiment, tags={"tremplin.result": result_hash(result.root, "flights")})
    recorded = recorded_of(result)
    assert recorded.created
    assert recorded.run_id != begun.info.run_id
    assert client.get_run(begun.info.run_id).info.lifecycle_stage == "deleted"
    assert runs(client) == ["FINISHED"]


def test_files_that_are_not_those_of_the_lock_are_not_recorded(result: Result) -> None:
    (result.paths.model / "model.onnx").write_bytes(b"another")
    with pytest.raises(
        TremplinError, match=r"not the result that dvc\.lock describes: models/flights changed"
    ):
        recorded_of(result)


def test_a_verdict_is_readable_on_the_run_and_the_version(
    result: Result, recorded: Recorded, verdict: Verdict, client: MlflowClient
) -> None:
    import mlflow

    told = attach_verdict(recorded, verdict, result.settings)
    assert (told.verdict, told.verdict_hash) == ("passed", verdict_hash(verdict))
    assert version_facts(result.settings, "flights", recorded.model_version).verdict == "passed"
    assert client.get_run(recorded.run_id).data.tags["tremplin.verdict"] == "passed"
    text = mlflow.artifacts.load_text(f"runs:/{recorded.run_id}/gate/verdict.json")
    assert digest(json.loads(text)) == verdict_hash(verdict)
    assert "| calibration |" in mlflow.artifacts.load_text(f"runs:/{recorded.run_id}/gate/verdict.md")
    table = json.loads(mlflow.artifacts.load_text(f"runs:/{recorded.run_id}/gate/checks.json"))
    assert [row[table["columns"].index("id")] for row in table["data"]] == [
        check.id for check in verdict.checks
    ]
    shown = json.loads(client.get_run(recorded.run_id).data.tags["mlflow.loggedArtifacts"])
    assert shown == [{"path": "gate/checks.json", "type": "table"}], "MLflow's pages show it as a table"
    assert client.get_model_version("flights", str(recorded.model_version)).aliases == ["challenger"]
    assert attach_verdict(recorded, verdict, result.settings) == told


def test_a_blocked_version_is_no_challenger(
    result: Result, recorded: Recorded, verdict: Verdict, client: MlflowClient
) -> None:
    told = attach_verdict(recorded, blocked(verdict), result.settings)
    assert told.verdict == "blocked"
    version = client.get_model_version("flights", str(recorded.model_version))
    assert version.aliases == []
    assert version.tags["tremplin.blocked_by"] == "contract"
    recorded_of(result)
    assert client.get_model_version("flights", str(recorded.model_version)).aliases == [], (
        "recording again changes nothing"
    )


def test_a_blocked_version_leaves_the_alias_of_another(
    result: Result, recorded: Recorded, verdict: Verdict, client: MlflowClient
) -> None:
    second = another(result)
    attach_verdict(recorded, blocked(verdict), result.settings)
    assert client.get_model_version_by_alias("flights", "challenger").version == second.model_version


def test_a_verdict_on_another_model_is_refused(result: Result, recorded: Recorded, verdict: Verdict) -> None:
    with pytest.raises(TremplinError, match="The verdict is of the model 000000000000"):
        attach_verdict(recorded, verdict.model_copy(update={"model_hash": "0" * 64}), result.settings)


def test_aliases_say_what_is_live(
    result: Result, recorded: Recorded, verdict: Verdict, client: MlflowClient
) -> None:
    second = another(result)
    settings, first = result.settings, recorded.model_version
    set_aliases(settings, "flights", champion=first, challenger=second.model_version, previous=None)
    aliases: Callable[[], dict[str, int]] = lambda: client.get_registered_model("flights").aliases  # noqa: E731
    assert aliases() == {"champion": first, "challenger": second.model_version}
    set_aliases(settings, "flights", champion=second.model_version, challenger=None, previous=first)
    assert aliases() == {"champion": second.model_version, "previous": first}
    attach_verdict(second, verdict, settings)
    recorded_of(result)
    assert aliases() == {"champion": second.model_version, "previous": first}, (
        "a champion is no challenger again"
    )


@pytest.mark.parametrize("passes", [True, False])
def test_while_a_challenger_is_live_the_alias_is_its(
    result: Result, recorded: Recorded, verdict: Verdict, client: MlflowClient, passes: bool
) -> None:
    """Recorded and judged beside a rollout, even the challenger itself once more: the alias says what is live."""
    engine, said = open_store(result.settings), verdict if passes else blocked(verdict)
    challenger = another(result)
    live.change(engine, "flights", Live(champion="first", challenger="second"), by="a test", reason="")
    beside = another(result)
    for one in (beside, challenger):
        attach_verdict(one, said, result.settings)
        assert client.get_registered_model("flights").aliases == {"challenger": challenger.model_version}
    live.change(engine, "flights", Live(champion="second"), by="a test", reason="promoted")
    attach_verdict(beside, said, result.settings)
    assert ("challenger" in client.get_model_version("flights", str(beside.model_version)).aliases) is passes


def test_a_released_version_keeps_the_verdict_it_was_released_with(
    result: Result, recorded: Recorded, verdict: Verdict, client: MlflowClient
) -> None:
    import mlflow

    told = attach_verdict(recorded, verdict, result.settings)
    tag_version(result.settings, "flights", recorded.model_version, {"release": "abc"})
    assert attach_verdict(recorded, blocked(verdict), result.settings) == told
    text = mlflow.artifacts.load_text(f"runs:/{recorded.run_id}/gate/verdict.json")
    assert digest(json.loads(text)) == verdict_hash(verdict)


def test_a_result_of_changed_code_becomes_its_commit_s_once_it_is_committed(
    result: Result, recorded: Recorded, client: MlflowClient
) -> None:
    import mlflow

    def again(commit: str, *, dirty: bool) -> tuple[str, bool]:
        settings = result.settings.model_copy(update={"commit": commit * 40, "dirty": dirty})
        found = record(result.pilot, result.paths, settings, as_of=AS_OF)
        assert found.model_version == recorded.model_version
        tags = client.get_run(found.run_id).data.tags
        assert (tags["tremplin.commit"], tags["tremplin.dirty"]) == (found.commit, str(found.dirty).lower())
        return found.commit[:1], found.dirty

    assert (recorded.commit, recorded.dirty) == ("unknown", True)
    assert again("a", dirty=True) == ("u", True), "changed code is no commit's"
    result.edit(data={"freshness_days": 99})  # not in the lock: the verdict that follows is given by it
    assert again("a", dirty=False) == ("a", False)
    logged = mlflow.artifacts.load_text(f"runs:/{recorded.run_id}/pilot.yaml")
    assert "freshness_days: 99" in logged
    assert client.get_run(recorded.run_id).data.tags["tremplin.pilot_file"] == sha256(
        result.pilot.folder / "pilot.yaml"
    )
    assert again("b", dirty=False) == ("b", False)
    assert again("c", dirty=True) == ("b", False), "it still comes out of that commit"
    tag_version(result.settings, "flights", recorded.model_version, {"release": "abc"})
    assert again("d", dirty=False) == ("b", False), "its release says which"


def test_a_version_is_linked_to_what_came_of_it(
    result: Result, recorded: Recorded, client: MlflowClient
) -> None:
    tag_version(result.settings, "flights", recorded.model_version, {"release": "abc"})
    assert client.get_run(recorded.run_id).data.tags["tremplin.release"] == "abc"
    assert client.get_model_version("flights", str(recorded.model_version)).tags["tremplin.release"] == "abc"


def test_an_unknown_version_is_named(kept: tuple[Result, Recorded]) -> None:
    result, _ = kept
    with pytest.raises(TremplinError, match="MLflow has no version 99 of the model flights"):
        version_facts(result.settings, "flights", 99)


def test_an_mlflow_that_does_not_answer_is_named(result: Result, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    settings = result.settings.model_copy(
        update={"mlflow_tracking_uri": f"sqlite:///{tmp_path / 'a file' / 'x.db'}"}
    )
    with pytest.raises(TremplinError, match=r"MLflow does not answer.*TREMPLIN_MLFLOW_TRACKING_URI"):
        record(result.pilot, result.paths, settings, as_of=AS_OF)


def test_importing_the_recording_loads_no_mlflow() -> None:
    code = "import sys, pipelines.recording; assert not {'mlflow', 'onnx'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
