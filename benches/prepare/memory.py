"""The peak of the memory that `prepare` uses, through the Python package: python memory.py FILE.parquet MIB...

Prints for each limit, in MiB, the largest resident set and the largest part of it that is not pages of files, as the system saw them; the
time, and the time of the processors.
"""

import pathlib
import resource
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


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


for limit in limits:
    out = pathlib.Path(tempfile.mkdtemp(dir=pathlib.Path(file).parent)) / "out"
    command = [sys.executable, "-c", PREPARE, HERE / "view.toml", file, out, limit]
    start, before, peak, anonymous = time.monotonic(), processor_seconds(), 0.0, 0.0
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while process.poll() is None:
        found = status(process)
        peak, anonymous = max(peak, found.get("VmHWM", 0.0)), max(anonymous, found.get("RssAnon", 0.0))
        time.sleep(0.02)
    rows = process.stdout.read().strip()
    seconds, used = time.monotonic() - start, processor_seconds() - before
    shutil.rmtree(out.parent)
    memory = f"peak {peak:.0f} MiB, anonymous {anonymous:.0f} MiB"
    print(f"limit {limit} MiB: {rows} rows kept, {memory}, {seconds:.1f} s, {used:.1f} s of processors", flush=True)
