"""The same with XGBoost: `make` writes the data, `train` is the twin, `compare` loads our model and measures both scores."""

import json
import sys
import time

import numpy as np
import xgboost


def load(path, features, rows):
    data = np.fromfile(path, dtype="<f4").reshape(-1, features + 1)
    train, test = data[:rows], data[rows:]
    return train[:, :-1].copy(), train[:, -1].copy(), test[:, :-1].copy(), test[:, -1].copy()


def area(scores, targets):
    """The area under the ROC curve from the sum of ranks."""
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    positive = targets > 0.5
    number = positive.sum()
    return float((ranks[positive].sum() - number * (number + 1) / 2) / (number * (len(scores) - number)))


def main():
    what, path, features, rows = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    if what == "make":
        random = np.random.default_rng(7)
        x = random.normal(size=(rows + 50_000, features)).astype(np.float32)
        # Products and squares of half of the features, and noise that leaves an AUC of about 0.85.
        half = features // 2
        value = sum(x[:, i] * x[:, (i + 1) % half] + 0.3 * x[:, i] ** 2 for i in range(half)) / np.sqrt(half)
        y = (value + random.normal(size=len(x)) > np.median(value)).astype(np.float32)
        np.column_stack([x, y]).astype("<f4").tofile(path)
        print("{}")
        return
    x, y, x_test, y_test = load(path, features, rows)
    rounds, depth, rate = int(sys.argv[5]), int(sys.argv[6]), float(sys.argv[7])
    if what == "train":
        threads, out = int(sys.argv[8]), sys.argv[9]
        parameters = {"objective": "binary:logistic", "tree_method": "hist", "max_depth": depth,
                      "learning_rate": rate, "nthread": threads}
        start, before = time.perf_counter(), time.process_time()
        # Binning is part of training on both sides.
        model = xgboost.train(parameters, xgboost.QuantileDMatrix(x, y, nthread=threads), rounds)
        trained, processor = time.perf_counter() - start, time.process_time() - before
        start = time.perf_counter()
        scores = model.inplace_predict(x_test)
        predicted = time.perf_counter() - start
        scores.astype("<f4").tofile(out)
        print(json.dumps({"training": trained, "processor": processor, "prediction": predicted}))
        return
    model, ours, theirs = sys.argv[8:11]
    ours, theirs = np.fromfile(ours, "<f4"), np.fromfile(theirs, "<f4")
    loaded = xgboost.Booster(model_file=model).inplace_predict(x_test)
    difference = float(np.abs(loaded - ours).max())
    print(json.dumps({"difference": difference, "ours": area(ours, y_test), "theirs": area(theirs, y_test)}))


if __name__ == "__main__":
    main()
