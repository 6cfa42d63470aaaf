"""The peak of the memory that `fiducial prepare` uses: python memory.py FIDUCIAL FILE.parquet LIMIT...

Prints for each limit the largest resident set and the part of it that is not pages of files, as the system saw them, and the time.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

here = pathlib.Path(__file__).resolve().parent
program, file, *limits = sys.argv[1:]


def status(process):
    try:
        lines = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.endswith(" kB")}


for limit in limits:
    out = pathlib.Path(tempfile.mkdtemp(dir=pathlib.Path(file).parent)) / "out"
    command = [program, "--quiet", "prepare", here / "view.toml", file, "-o", out, "--memory-limit", limit]
    start, peak, anonymous = time.monotonic(), 0.0, 0.0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        found = status(process)
        peak, anonymous = max(peak, found.get("VmHWM", 0.0)), max(anonymous, found.get("RssAnon", 0.0))
        time.sleep(0.02)
    seconds = time.monotonic() - start
    shutil.rmtree(out.parent)
    print(f"limit {limit}: peak {peak:.0f} MiB, of it {anonymous:.0f} MiB anonymous, {seconds:.0f} s, exit {process.returncode}", flush=True)
