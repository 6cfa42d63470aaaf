"""Writes the models of this folder and their scores; needs numpy and xgboost (the package `xgboost-cpu` is enough).

Each NAME.json is what XGBoost saved, NAME.scores.json the rows, XGBoost's predictions and its margins.
"""

import json
from pathlib import Path

import numpy as np
import xgboost

HERE = Path(__file__).resolve().parent


def main():
    random = np.random.default_rng(5)
    features = random.normal(size=(400, 4)).astype(np.float32)
    features[random.random(features.shape) < 0.1] = np.nan
    value = np.nan_to_num(features[:, 0]) + np.nan_to_num(features[:, 1]) ** 2
    binary, classes = (value > 0.5).astype(int), np.digitize(value, [0, 1])
    cases = {
        "logistic": (binary, {"objective": "binary:logistic"}),
        "softprob": (classes, {"objective": "multi:softprob", "num_class": 3}),
        "squared": (value, {"objective": "reg:squarederror", "num_parallel_tree": 2, "subsample": 0.5}),
        "quantile": (value, {"objective": "reg:quantileerror", "quantile_alpha": 0.8}),
        "dart": (binary, {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.5}),
    }
    for name, (target, parameters) in cases.items():
        parameters |= {"max_depth": 3, "learning_rate": 0.5, "seed": 1, "nthread": 1}
        model = xgboost.train(parameters, xgboost.DMatrix(features, target), 4)
        model.save_model(HERE / f"{name}.json")
        rows = xgboost.DMatrix(features[:40])
        scores = {
            "xgboost": xgboost.__version__,
            "rows": [[None if np.isnan(x) else float(x) for x in row] for row in features[:40]],
            "predictions": model.predict(rows).ravel().tolist(),
            "margins": model.predict(rows, output_margin=True).ravel().tolist(),
        }
        (HERE / f"{name}.scores.json").write_text(json.dumps(scores))


if __name__ == "__main__":
    main()
