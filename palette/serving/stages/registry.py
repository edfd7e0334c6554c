"""Registry of local forms by the name of the Spark class; only the forms of a plan are imported."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from palette.errors import DataError
from palette.serving.stages.base import BundledStage, LocalStage

if TYPE_CHECKING:
    from palette.serving.spark_files import SavedFiles

__all__ = [
    "local_form",
    "register",
    "registered",
    "saved_form",
    "schema_form",
    "stage_from_json",
    "stage_to_json",
]

# Module of this package to the kinds that it registers.
MODULES = {
    "features.assembler": ("VectorAssembler",),
    "features.buckets": ("Bucketizer", "Binarizer"),
    "features.column_name": ("ReadColumn",),
    "features.encoders": ("OneHotEncoderModel",),
    "features.hasher": ("FeatureHasher",),
    "features.imputer": ("ImputerModel",),
    "features.indexers": ("StringIndexerModel", "IndexToString", "VectorIndexerModel"),
    "features.interaction": ("Interaction",),
    "linear.factorization": ("FMRegressionModel", "FMClassificationModel"),
    "linear.glm": ("GeneralizedLinearRegressionModel",),
    "linear.linear_models": ("LinearRegressionModel", "LinearSVCModel"),
    "linear.logistic": ("LogisticRegressionModel",),
    "linear.survival": ("AFTSurvivalRegressionModel",),
    "models.bayes": ("NaiveBayesModel",),
    "models.isotonic": ("IsotonicRegressionModel",),
    "models.kmeans": ("KMeansModel", "BisectingKMeansModel"),
    "models.mixture": ("GaussianMixtureModel",),
    "models.one_vs_rest": ("OneVsRestModel",),
    "models.perceptron": ("MultilayerPerceptronClassificationModel",),
    "models.recommender": ("ALSModel",),
    "text.counts": ("CountVectorizerModel", "IDFModel"),
    "text.hashing": ("HashingTF",),
    "text.tokenizers": ("Tokenizer", "RegexTokenizer"),
    "text.word2vec": ("Word2VecModel",),
    "text.words": ("StopWordsRemover", "NGram"),
    "transforms.dct": ("DCT",),
    "transforms.normalizer": ("Normalizer",),
    "transforms.pca": ("PCAModel",),
    "transforms.polynomial": ("PolynomialExpansion",),
    "transforms.scalers": (
        "StandardScalerModel",
        "RobustScalerModel",
        "MaxAbsScalerModel",
        "ElementwiseProduct",
        "MinMaxScalerModel",
    ),
    "transforms.selectors": (
        "ChiSqSelectorModel",
        "UnivariateFeatureSelectorModel",
        "VarianceThresholdSelectorModel",
        "VectorSlicer",
    ),
    "transforms.size_hint": ("VectorSizeHint",),
    "trees.classification": (
        "DecisionTreeClassificationModel",
        "RandomForestClassificationModel",
        "GBTClassificationModel",
    ),
    "trees.regression": ("DecisionTreeRegressionModel", "RandomForestRegressionModel", "GBTRegressionModel"),
    "trees.xgboost": ("SparkXGBRegressorModel", "SparkXGBClassifierModel", "SparkXGBRankerModel"),
}
_HOMES = {kind: f"palette.serving.stages.{module}" for module, kinds in MODULES.items() for kind in kinds}
_LOCAL: dict[str, type[BundledStage]] = {}


def register(cls: type[BundledStage]) -> type[BundledStage]:
    """Add a local form under its ``kind``.

    Raises
    ------
    DataError
        If another class has it.
    """
    if cls.kind in _LOCAL or _HOMES.get(cls.kind, cls.__module__) != cls.__module__:
        raise DataError(f"stage {cls.kind!r} has a local form already")
    _LOCAL[cls.kind] = cls
    return cls


def registered() -> dict[str, type[BundledStage]]:
    """Return all local forms by kind."""
    for kind in _HOMES:
        _local_class(kind)
    return dict(_LOCAL)


def _local_class(kind: str) -> type[BundledStage] | None:
    if kind not in _LOCAL and kind in _HOMES:
        importlib.import_module(_HOMES[kind])
    return _LOCAL.get(kind)


def local_form(stage: Any, schema: Any = None) -> BundledStage | None:
    """Return the local form of a fitted Spark stage, or None if there is none.

    Parameters
    ----------
    stage : Transformer
        The fitted stage.
    schema : StructType, optional
        Of a DataFrame that it transforms, for stages that look at the metadata of their input columns.
    """
    local_class = _local_class(type(stage).__name__)
    if local_class is None:
        return None
    return local_class.from_spark(stage) if schema is None else local_class.from_schema(stage, schema)


def schema_form(stage: Any, schema: Any) -> BundledStage | None:
    """Return the local form of a fitted Spark stage that looks at the metadata of its input columns; None of others."""
    local_class = _local_class(type(stage).__name__)
    if local_class is None or local_class.from_schema.__func__ is BundledStage.from_schema.__func__:  # type: ignore[attr-defined]
        return None
    return local_class.from_schema(stage, schema)


def saved_form(saved: SavedFiles) -> BundledStage | None:
    """Return the local form of a stage that Spark saved, or None if there is none."""
    local_class = _local_class(saved.spark_class.rpartition(".")[2])
    return (
        local_class.from_saved(saved)
        if local_class is not None and local_class.spark_class == saved.spark_class
        else None
    )


def stage_to_json(stage: LocalStage) -> dict[str, Any]:
    """Return a stage as JSON holds it, with its kind.

    Raises
    ------
    DataError
        If bundles cannot hold it.
    """
    if not isinstance(stage, BundledStage):
        raise DataError(f"{type(stage).__name__} cannot be written to a bundle")
    return {"kind": stage.kind, **stage.to_json()}


def stage_from_json(plain: Mapping[str, Any]) -> BundledStage:
    """Return the stage that :func:`stage_to_json` wrote; only registered kinds are made.

    Raises
    ------
    DataError
        If the kind is unknown here.
    """
    local_class = _local_class(plain["kind"])
    if local_class is None:
        raise DataError(f"this process has no local form of stage {plain['kind']!r}; register it, or update palette")
    return local_class.from_json(plain)
