"""Metrics against scikit-learn."""

import pickle

import numpy as np
import pytest

import fiducial


def sample(events: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, events)
    scores = 1 / (1 + np.exp(-random.normal(1.5 * labels - 0.75, 1.0)))
    return labels, scores, random.uniform(0.5, 1.5, events)


def test_values_are_scikit_learns() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    labels, scores, weights = sample(5000)
    for used in (None, weights):
        metrics = fiducial.evaluate(labels, scores, used, signal_efficiencies=[0.5])
        assert isinstance(metrics, fiducial.Metrics)
        auc, accuracy = metrics.roc_auc, metrics.accuracy
        assert float(auc) == pytest.approx(sklearn.roc_auc_score(labels, scores, sample_weight=used), abs=1e-12)
        assert float(accuracy) == pytest.approx(sklearn.accuracy_score(labels, scores >= 0.5, sample_weight=used))
        assert auc.low < float(auc) < (auc.high or 0) and auc.n == 5000 and not auc.is_limit
        fpr, tpr, _ = sklearn.roc_curve(labels, scores, sample_weight=used, drop_intermediate=False)
        point = metrics.working_points[0]
        assert 1 / float(point.background_rejection) == pytest.approx(fpr[np.argmax(tpr >= 0.5)], rel=1e-9)
        curve = metrics.roc_curve
        assert np.all(np.diff(curve.signal_efficiency) > 0) and len(curve.threshold) == 200
        assert np.all(curve.low <= curve.background_efficiency) and np.all(curve.background_efficiency <= curve.high)
        assert "1/background efficiency at signal efficiency 0.5" in str(metrics)
        copy = pickle.loads(pickle.dumps(metrics))
        assert copy.roc_auc == auc and str(copy) == str(metrics)


def test_several_classes() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(2)
    labels = random.integers(0, 3, 3000)
    scores = random.dirichlet([1, 1, 1], 3000)
    scores[np.arange(3000), labels] += 0.3
    scores /= scores.sum(axis=1, keepdims=True)
    metrics = fiducial.evaluate(labels, scores)
    assert isinstance(metrics, fiducial.MulticlassMetrics)
    macro = sklearn.roc_auc_score(labels, scores, multi_class="ovr")
    assert float(metrics.roc_auc_macro) == pytest.approx(macro)
    assert float(metrics.accuracy) == pytest.approx(np.mean(scores.argmax(axis=1) == labels))
    assert np.mean([float(auc) for auc in metrics.roc_auc]) == pytest.approx(macro)


def test_what_is_refused() -> None:
    check = [
        (([0, 1], [0.1, np.nan]), fiducial.Error, "score of event 1"),
        (([1, 1], [0.1, 0.2]), fiducial.Error, "every event is signal"),
        (([0, 1, 1], [0.1, 0.2]), ValueError, "do not belong together"),
        (([0, 2], [0.1, 0.2]), ValueError, "0 and 1"),
        (([0.0, 1.0], [0.1, 0.2]), TypeError, "whole numbers"),
        (([0, 1], [0.1, 0.2], [1.0]), ValueError, "weights have the shape"),
        (([0, -1], [[0.1, 0.2], [0.1, 0.2]]), ValueError, "a label is -1"),
    ]
    for arguments, kind, text in check:
        with pytest.raises(kind, match=text):
            fiducial.evaluate(*arguments)


def test_a_limit_has_no_value() -> None:
    metrics = fiducial.evaluate([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], signal_efficiencies=[0.5])
    rejection = metrics.working_points[0].background_rejection
    assert rejection.is_limit and rejection.value is None and str(rejection).startswith("> ")
    with pytest.raises(ValueError, match="only a limit"):
        float(rejection)
    assert rejection == fiducial.evaluate([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], signal_efficiencies=[0.5]).working_points[0].background_rejection
