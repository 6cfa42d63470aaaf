"""Jets per second of weaver-core's loader, one process: python weaver_twin.py FILE.root VIEW.yaml EPOCHS

The twin of `crates/data/examples/batch_epochs.rs`: the same tensors from the same file, in batches of 512. It prints the time on
the wall and on the processor for each epoch; the first one has the file to open and numba's kernels to load.
"""

import json
import logging
import sys
import time

import torch
from weaver.utils.dataset import SimpleIterDataset

logging.disable(logging.CRITICAL)
torch.set_num_threads(1)
path, view, epochs = sys.argv[1], sys.argv[2], int(sys.argv[3])
data = SimpleIterDataset({"_": [path]}, view, for_training=True, fetch_step=0.25, async_load=False, name="train")
loader = torch.utils.data.DataLoader(data, batch_size=512, num_workers=0)
for _ in range(epochs):
    wall, cpu, jets = time.perf_counter(), time.process_time(), 0
    for inputs, labels, _ in loader:
        jets += len(inputs["pf_mask"])
    print(json.dumps({"jets": jets, "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}))
