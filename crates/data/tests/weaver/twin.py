"""What weaver-core makes of a file and a configuration: python twin.py FILE CONFIG OUT

Writes for each input group its float32 numbers (OUT/GROUP.bin), and OUT/facts.json: shapes, labels, the measured standardisation,
the histograms of weights. It needs weaver-core 0.5.3 and torch.
"""

import json
import pathlib
import sys

import numpy as np
from weaver.utils.data.config import DataConfig
from weaver.utils.data.preprocess import AutoStandardizer, WeightMaker, _build_weights
from weaver.utils.dataset import _preprocess
from weaver.utils.data.fileio import _read_files

path, config_path, out = sys.argv[1:4]
out = pathlib.Path(out)
config = DataConfig.load(config_path)
facts = {"groups": {}, "labels": {}, "standardisation": {}}
if config._missing_standardization_info:
    config = AutoStandardizer([path], config).produce()
    facts["standardisation"] = {k: [p["center"], p["scale"]] for k, p in config.preprocess_params.items()}
# As SimpleIterDataset does for training, but in the file's order and each row once.
branches = config.train_load_branches | config.test_load_branches
branches -= set((config.file_magic or {}).keys())
branches -= {"aux_training_"}
options = {"training": True, "shuffle": False, "reweight": False, "mode": "train", "batch_size": 1}


def table():
    return _read_files([path], branches, (0, 1), treename=config.treename, branch_magic=config.branch_magic, file_magic=config.file_magic)


if config.weight_name and not config.use_precomputed_weights:
    made = WeightMaker([path], config).produce()
    facts["histograms"] = {k: np.asarray(v).tolist() for k, v in made.reweight_hists.items()}
tensors, indices = _preprocess(table(), config, options)
for name in config.input_names:
    array = np.ascontiguousarray(tensors["_" + name], dtype="<f4")
    facts["groups"][name] = list(array.shape)
    array.tofile(out / f"{name}.bin")
for name in config.label_names:
    facts["labels"][name] = np.asarray(tensors[name], dtype=float).tolist()
(out / "facts.json").write_text(json.dumps(facts))
