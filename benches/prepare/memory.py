"""The peak of the memory that `prepare` uses, through the Python package: python memory.py FILE.parquet MIB...

Prints for each limit, in MiB, the largest resident set and the largest part of it that is not pages of files, as the system saw them.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PREPARE = """
import sys, fiducial
view, file, out, limit = sys.argv[1:]
print(sum(fiducial.prepare(view, file, out, memory_limit=int(limit) << 20).splits.values()))
"""
file, *limits = sys.argv[1:]


def status(process):
    try:
        lines = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.endswith(" kB")}


for limit in limits:
    out = pathlib.Path(tempfile.mkdtemp(dir=pathlib.Path(file).parent)) / "out"
    command = [sys.executable, "-c", PREPARE, HERE / "view.toml", file, out, limit]
    start, peak, anonymous = time.monotonic(), 0.0, 0.0
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while process.poll() is None:
        found = status(process)
        peak, anonymous = max(peak, found.get("VmHWM", 0.0)), max(anonymous, found.get("RssAnon", 0.0))
        time.sleep(0.02)
    rows = process.stdout.read().strip()
    seconds = time.monotonic() - start
    shutil.rmtree(out.parent)
    print(f"limit {limit} MiB: {rows} rows kept, peak {peak:.0f} MiB, anonymous {anonymous:.0f} MiB, {seconds:.0f} s", flush=True)
