"""What weaver-core makes of files and a configuration: python twin.py CONFIG OUT FILE...

Writes for each input group its float32 numbers (OUT/GROUP.bin), and OUT/facts.json: shapes, labels, observers, the measured
standardisation, the weight of each row. It needs weaver-core 0.5.3 and torch.
"""

import json
import pathlib
import sys

import numpy as np
from weaver.utils.data.config import DataConfig
from weaver.utils.data.preprocess import (
    AutoStandardizer,
    WeightMaker,
    _apply_selection,
    _build_new_variables,
    _build_weights,
)
from weaver.utils.dataset import _preprocess
from weaver.utils.data.fileio import _read_files

config_path, out, *paths = sys.argv[1:]
out = pathlib.Path(out)
config = DataConfig.load(config_path)
facts = {"groups": {}, "labels": {}, "observers": {}, "standardisation": {}}
if config._missing_standardization_info:
    config = AutoStandardizer(paths, config).produce()
    facts["standardisation"] = {k: [p["center"], p["scale"]] for k, p in config.preprocess_params.items()}
# As SimpleIterDataset does for training, but in the files' order and each row once.
branches = config.train_load_branches | config.test_load_branches
branches -= set((config.file_magic or {}).keys())
branches -= {"aux_training_"}
options = {"training": True, "shuffle": False, "reweight": False, "mode": "train", "batch_size": 1}


def table():
    names = {"treename": config.treename, "branch_magic": config.branch_magic, "file_magic": config.file_magic}
    return _read_files(paths, branches, (0, 1), **names)


if config.weight_name:
    made = config if config.use_precomputed_weights else WeightMaker(paths, config).produce()
    rows = _apply_selection(table(), config.selection, funcs=config.var_funcs)
    weights = _build_weights(_build_new_variables(rows, config.train_var_funcs), made)
    facts["weights"] = np.asarray(weights, dtype=float).tolist()
tensors, indices = _preprocess(table(), config, options)
for name in config.input_names:
    array = np.ascontiguousarray(tensors["_" + name], dtype="<f4")
    facts["groups"][name] = list(array.shape)
    array.tofile(out / f"{name}.bin")
for kind, names in {"labels": config.label_names, "observers": config.z_variables}.items():
    for name in names:
        facts[kind][name] = np.asarray(tensors[name], dtype=float).tolist()
(out / "facts.json").write_text(json.dumps(facts))
