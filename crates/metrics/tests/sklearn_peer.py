"""The values that scikit-learn and NumPy give for the cases on stdin (JSON), as JSON on stdout.

A case: {"scores", "is_signal", "weights" (or null), "threshold", "signal_efficiencies", "background_efficiencies"}
or, for several classes: {"class_scores", "labels", "weights" (or null)}, or, for a regression: {"residuals", "weights"}.
`python sklearn_peer.py --golden > golden.json` writes the seeded cases of the golden test with their values.
"""

import json
import math
import sys
import warnings

import numpy as np
from sklearn.metrics import accuracy_score, roc_auc_score, roc_curve


def binary(case):
    scores, truth = np.array(case["scores"]), np.array(case["is_signal"], dtype=int)
    weights = None if case["weights"] is None else np.array(case["weights"])
    fpr, tpr, _ = roc_curve(truth, scores, sample_weight=weights, drop_intermediate=False)
    # scikit-learn refuses the area of a curve whose background efficiency falls, which negative weights of the
    # background bring about. The trapezoidal sum over its points is defined all the same.
    try:
        auc, refused = roc_auc_score(truth, scores, sample_weight=weights), False
    except ValueError:
        auc, refused = np.trapezoid(tpr, fpr), True
    result = {
        "roc_auc": auc,
        "refused": refused,
        "accuracy": accuracy_score(truth, scores >= case["threshold"], sample_weight=weights),
        "n_effective": len(scores) if weights is None else weights.sum() ** 2 / (weights**2).sum(),
    }

    # The first point whose efficiency reaches the target, on the straight line from the point before.
    def reach(x, y, target, exceed):
        reached = x > target + 1e-10 if exceed else x >= target - 1e-10
        if not reached.any():
            return 1.0
        i = max(int(np.argmax(reached)), 1)
        share = min(max((target - x[i - 1]) / (x[i] - x[i - 1]), 0.0), 1.0)
        return y[i - 1] + share * (y[i] - y[i - 1])

    result["background_at"] = [reach(tpr, fpr, e, False) for e in case["signal_efficiencies"]]
    result["signal_at"] = [reach(fpr, tpr, e, True) for e in case["background_efficiencies"]]
    return result


def several(case):
    scores, labels = np.array(case["class_scores"]), np.array(case["labels"])
    weights = None if case["weights"] is None else np.array(case["weights"])
    classes = scores.shape[1]
    return {
        "accuracy": accuracy_score(labels, scores.argmax(axis=1), sample_weight=weights),
        "roc_auc_macro": np.mean(
            [roc_auc_score(labels == c, scores[:, c], sample_weight=weights) for c in range(classes)]
        ),
    }


def regression(case):
    residuals, weights = np.array(case["residuals"]), np.array(case["weights"])
    tail = 0.5 * math.erfc(math.sqrt(0.5))
    low, high = np.quantile(residuals, [tail, 1 - tail], weights=weights, method="inverted_cdf")
    return {
        "bias": np.average(residuals, weights=weights),
        "resolution": 0.5 * (high - low),
        "rmse": np.sqrt(np.average(residuals**2, weights=weights)),
        "coverage": np.average(residuals >= 0, weights=weights),
    }


def golden_cases():
    rng = np.random.default_rng(20)
    for decimals in (6, 1):  # one decimal makes many ties
        for kind in ("none", "positive", "signal negative", "background negative"):
            n = 60
            truth = rng.random(n) < 0.5
            scores = np.round(rng.normal(size=n) + 1.2 * truth, decimals)
            weights = np.round(rng.exponential(size=n) + 0.1, 3)
            if kind == "signal negative":
                weights[truth] *= rng.choice([1, -1], truth.sum(), p=[0.8, 0.2])
            if kind == "background negative":
                weights[~truth] *= rng.choice([1, -1], (~truth).sum(), p=[0.8, 0.2])
            yield {
                "scores": scores.tolist(),
                "is_signal": truth.tolist(),
                "weights": None if kind == "none" else weights.tolist(),
                "threshold": 0.5,
                "signal_efficiencies": [0.1, 0.3, 0.5, 0.8, 1.0],
                "background_efficiencies": [0.05, 0.2, 0.5, 1.0],
            }
    for weighted in (False, True):
        labels = rng.integers(3, size=60)
        scores = np.round(rng.random((60, 3)) + 0.5 * np.eye(3)[labels], 2)
        yield {
            "class_scores": scores.tolist(),
            "labels": labels.tolist(),
            "weights": np.round(rng.exponential(size=60), 3).tolist() if weighted else None,
        }


warnings.simplefilter("error")
golden = "--golden" in sys.argv
cases = list(golden_cases()) if golden else json.load(sys.stdin)
kinds = {"scores": binary, "class_scores": several, "residuals": regression}
results = [next(kind(case) for key, kind in kinds.items() if key in case) for case in cases]
if golden:
    results = [{"case": case, "expected": result} for case, result in zip(cases, results)]
    print("[\n" + ",\n".join(json.dumps(result) for result in results) + "\n]")
else:
    json.dump(results, sys.stdout)
