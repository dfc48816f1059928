"""The whole fitted pipeline as ONNX: what is evaluated, signed, shipped and served."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from tremplin.contract import Contract
from tremplin.errors import TremplinError
from tremplin.pilot import Pilot
from tremplin.target import Task

if TYPE_CHECKING:
    import pandas as pd

OPSET = {"": 17, "ai.onnx.ml": 3}  # fixed: the same pipeline gives the same bytes whatever ONNX is installed
ZERO = np.float32(1e-35)  # LightGBM's kZeroThreshold
MADE_UP = 499  # rows to try a conversion on; prime, so that strides differ


def export_onnx(pipeline: Any, contract: Contract, name: str = "the estimator") -> bytes:
    """The fitted ``Pipeline`` as a model with one input of shape (n, 1) a feature: strings, or float32.

    Out come label and probabilities (n, 2), or amounts (n, 1) in the target's unit, held within the contract's range: what is
    served is what was judged, and never a value that the contract calls impossible.

    ``name`` is what a refusal calls the estimator.

    Raises:
        TremplinError: a step has no converter, or ONNX refuses what came out; the step is named.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the converters' own imports
        import onnx
        from skl2onnx.common.data_types import FloatTensorType, StringTensorType

        _register_lightgbm()
        inputs = [
            (feature.name, FloatTensorType([None, 1]) if feature.numeric else StringTensorType([None, 1]))
            for feature in contract.features
        ]
        (_, features), (_, estimator) = pipeline.steps
        # Apart, then joined: after a transformer the converter no longer knows how many columns there are, and an
        # estimator that picks columns by number would not convert.
        first = _convert("features.py: the transformer", features, inputs)
        width = estimator.n_features_in_
        # Probabilities as an array, not as a list of dictionaries.
        options = {"zipmap": False} if contract.task is Task.CLASSIFICATION else {}
        second = _convert(
            f"model.py: {name}", estimator, [("features", FloatTensorType([None, width]))], **options
        )
        if contract.task is Task.REGRESSION:
            _hold_within(second, contract)
        model = onnx.compose.merge_models(
            onnx.compose.add_prefix(first, "features/", rename_inputs=False),
            onnx.compose.add_prefix(second, "estimator/", rename_inputs=False, rename_outputs=False),
            io_map=[(f"features/{first.graph.output[0].name}", "features")],
            name="tremplin",
        )
        _declare_opset(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def check_convertible(pilot: Pilot) -> None:
    """Prove on a made-up sample that the baseline and every candidate fit and convert, transformer included.

    Raises:
        TremplinError: one does not, or is of another task than the contract's; the step is named.
    """
    from pipelines.fitting import fit, unfitted
    from tremplin.frame import model_frame

    frame = model_frame(_made_up(pilot.contract), pilot.contract)
    labels = np.resize([0.0, 1.0], len(frame))  # on the unit interval: both ends of an amount's range
    for name in ("baseline", *pilot.file.model.candidates):
        _require_task(unfitted(pilot, pilot.file.model, name)[-1], name, pilot.contract)
        try:
            fitted = fit(pilot, pilot.file.model, name, frame, labels)
        except Exception as error:
            raise TremplinError(
                f"{pilot.folder}: {name} does not fit on rows made from the contract's ranges and examples: "
                f"{type(error).__name__}: {str(error).strip().splitlines()[0]} Mend features.py or model.py."
            ) from error
        export_onnx(fitted, pilot.contract, name)


def _require_task(estimator: Any, name: str, contract: Contract) -> None:
    """A classifier would be fitted on amounts, each a class of its own; a regressor has no probability."""
    from sklearn.base import is_classifier, is_regressor

    amounts = contract.task is Task.REGRESSION
    if not (is_regressor if amounts else is_classifier)(estimator):
        raise TremplinError(
            f"model.py: {name} is no {'regressor' if amounts else 'classifier'} of scikit-learn's kind, and the target "
            f"{contract.target} is {'an amount' if amounts else 'yes or no'}. Give it one, or change the target in contract.yaml."
        )


def _made_up(contract: Contract) -> pd.DataFrame:
    """Rows within the contract: numbers along their range, categories in turn."""
    import pandas as pd

    step = np.arange(MADE_UP)
    columns: dict[str, Any] = {}
    for feature in contract.features:
        if feature.numeric:
            low, high = feature.logicalTypeOptions.minimum or 0.0, feature.logicalTypeOptions.maximum
            top = low + 1 if high is None else high
            # Each feature has a stride of its own, or all columns would be one.
            place = step * (7 + 2 * len(columns)) % MADE_UP / (MADE_UP - 1)
            along = low + (top - low) * place
            whole = feature.logicalType in ("integer", "boolean")  # a one-hot step converts only those
            columns[feature.name] = np.round(along) if whole else along
        else:
            columns[feature.name] = np.resize(
                np.array(feature.categories or feature.examples, dtype=object), MADE_UP
            )
    return pd.DataFrame(columns)


def _hold_within(model: Any, contract: Contract) -> None:
    """The amounts become the one output, ``amount``, none below or above the contract's range."""
    from onnx import TensorProto, helper, numpy_helper

    bounds = {"low": contract.scale.low, "high": contract.scale.high}
    for end, value in bounds.items():
        model.graph.initializer.append(
            numpy_helper.from_array(np.array(value, dtype=np.float32), f"range_{end}")
        )
    amounts = model.graph.output[-1].name
    model.graph.node.append(helper.make_node("Clip", [amounts, "range_low", "range_high"], ["amount"]))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("amount", TensorProto.FLOAT, [None, 1]))


def _convert(step: str, fitted: Any, inputs: list[tuple[str, Any]], **options: bool) -> Any:
    from skl2onnx import convert_sklearn

    try:
        model = convert_sklearn(
            fitted, initial_types=inputs, target_opset=OPSET, name="step", options=options or None
        )
    except Exception as error:
        raise TremplinError(
            f"{step} does not convert to ONNX: {str(error).strip().splitlines()[0]} Use steps "
            "that skl2onnx supports, or compute the column in source.py and describe it in contract.yaml."
        ) from error
    _declare_opset(model)
    return model


def _declare_opset(model: Any) -> None:
    """The converter declares the oldest versions in which its operators mean the same; models that are joined must agree."""
    from onnx.helper import make_opsetid

    del model.opset_import[:]
    model.opset_import.extend(make_opsetid(domain, version) for domain, version in OPSET.items())


def _register_lightgbm() -> None:
    from lightgbm import LGBMClassifier, LGBMRegressor
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    def convert(scope: Any, operator: Any, container: Any) -> None:
        convert_lightgbm(scope, operator, _ThresholdsBelow(container))

    update_registered_converter(
        LGBMClassifier,
        "LightGbmLGBMClassifier",
        calculate_linear_classifier_output_shapes,
        convert,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
    )
    update_registered_converter(
        LGBMRegressor, "LightGbmLGBMRegressor", calculate_linear_regressor_output_shapes, convert
    )


class _ThresholdsBelow:
    """A container of nodes that rounds thresholds of trees down to float32.

    LightGBM splits at a float64 between two values, ONNX holds a float32. Rounded to the nearest it can meet the upper of
    two neighbouring values, and that row goes down the wrong branch (.02 of probability in `flights`). Of all
    float32 x, ``x <= threshold`` is the same as ``x <= the largest float32 not above it``. LightGBM takes what is within ``ZERO``
    for 0, so a threshold just below 0 has only smaller numbers on its left.
    """

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, *given: Any, **attributes: Any) -> None:
        """Hand the node on."""
        if "nodes_values" in attributes:
            exact = np.asarray(attributes["nodes_values"], dtype=np.float64)
            with np.errstate(
                over="ignore"
            ):  # "is it missing?" is a threshold of 1e308: every finite float32 is below it
                near = exact.astype(np.float32)
            below = np.where((near > exact) | (near == -ZERO), np.nextafter(near, np.float32(-np.inf)), near)
            attributes["nodes_values"] = below.tolist()
        self._container.add_node(*given, **attributes)
