"""Metrics with their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fiducial import _fiducial
from fiducial._fiducial import Estimate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class WorkingPoint:
    """The background rejection at one signal efficiency, and the threshold on the score that gives it."""

    signal_efficiency: float
    threshold: float
    background_rejection: Estimate


@dataclass(frozen=True)
class RocCurve:
    """The ROC curve at even signal efficiencies, with the 68 % band of the background efficiency."""

    signal_efficiency: NDArray[Any]
    background_efficiency: NDArray[Any]
    low: NDArray[Any]
    high: NDArray[Any]
    threshold: NDArray[Any]


@dataclass(frozen=True)
class Metrics:
    """What two classes are judged by; each value has its interval and its number of events."""

    accuracy: Estimate
    roc_auc: Estimate
    working_points: tuple[WorkingPoint, ...]
    roc_curve: RocCurve

    def __str__(self) -> str:
        points = "".join(
            f"\n1/background efficiency at signal efficiency {point.signal_efficiency:g}: {point.background_rejection}"
            for point in self.working_points
        )
        return f"accuracy: {self.accuracy}\nROC AUC: {self.roc_auc}{points}"


@dataclass(frozen=True)
class MulticlassMetrics:
    """What several classes are judged by: `roc_auc` is that of each class against the rest."""

    accuracy: Estimate
    roc_auc_macro: Estimate
    roc_auc: tuple[Estimate, ...]

    def __str__(self) -> str:
        classes = "".join(f"\nROC AUC of class {i}: {auc}" for i, auc in enumerate(self.roc_auc))
        return f"accuracy: {self.accuracy}\nmean ROC AUC: {self.roc_auc_macro}{classes}"


def evaluate(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    threshold: float = 0.5,
    signal_efficiencies: Sequence[float] = (0.3, 0.5),
    roc_points: int = 200,
    replicas: int = 200,
    seed: int = 0,
) -> Metrics | MulticlassMetrics:
    """Measure scores against the truth, with 68 % intervals from a Poisson bootstrap.

    Scores `(n,)` rise towards the signal, whose label is 1; scores `(n, classes)` have one column for each class, and labels
    are the numbers of the classes. Weights, negative ones too, count everywhere. `threshold` is that of the accuracy.

    >>> metrics = fiducial.evaluate([0, 0, 1, 1, 0, 1], [0.1, 0.4, 0.35, 0.8, 0.2, 0.9])
    >>> round(metrics.roc_auc.value, 4), metrics.roc_auc.n
    (0.8889, 6)
    >>> metrics.working_points[0].background_rejection.is_limit
    True
    """
    import numpy

    score_array = numpy.asarray(scores, dtype=numpy.float64)
    label_array = numpy.asarray(labels)
    if label_array.dtype.kind not in "iub":
        raise TypeError(f"labels must be whole numbers or booleans, not {label_array.dtype}")
    if label_array.ndim != 1 or score_array.ndim not in (1, 2) or len(label_array) != len(score_array):
        raise ValueError(
            f"labels of shape {label_array.shape} and scores of shape {score_array.shape} do not belong together"
        )
    label_bytes = label_array.astype(numpy.int64).tobytes()
    weight_bytes = None
    if weights is not None:
        weight_array = numpy.asarray(weights, dtype=numpy.float64)
        if weight_array.shape != label_array.shape:
            raise ValueError(f"weights have the shape {weight_array.shape}, labels {label_array.shape}")
        weight_bytes = weight_array.tobytes()
    if score_array.ndim == 2:
        accuracy, macro, each = _fiducial.evaluate_classes(
            score_array.tobytes(), score_array.shape[1], label_bytes, weight_bytes, replicas, seed
        )
        return MulticlassMetrics(accuracy, macro, tuple(each))
    if not numpy.isin(label_array, (0, 1)).all():
        raise ValueError("labels must be 0 and 1 where scores have one column")
    accuracy, auc, points, curve = _fiducial.evaluate_binary(
        score_array.tobytes(),
        label_bytes,
        weight_bytes,
        threshold,
        list(signal_efficiencies),
        roc_points,
        replicas,
        seed,
    )
    working_points = tuple(WorkingPoint(*point) for point in points)
    return Metrics(accuracy, auc, working_points, RocCurve(*curve.numpy().T))
