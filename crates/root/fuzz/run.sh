#!/bin/sh
# Builds the fuzz targets with coverage and the address sanitizer, debug assertions and overflow checks, and runs one.
# It does by hand what `cargo fuzz run TARGET` does, so that neither cargo-fuzz nor a nightly toolchain is needed.
#
#     ./run.sh SECONDS [TARGET [OPTIONS OF LIBFUZZER]]
#
# Targets are `file` (a whole ROOT file; if none is given), `ntuple` (its envelopes), and one for each codec: zlib, old_zlib, lzma, lz4, zstd.
# What it finds it leaves in artifacts/; new inputs go to work/TARGET/, a corpus of its own beside the committed one.
set -eu
cd "$(dirname "$0")"
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}"
export RUSTFLAGS="--cfg fuzzing -Zsanitizer=address -Cpasses=sancov-module -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks \
-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
# Two copies of one table of libdeflate are no fault.
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_odr_violation=0}"
cargo build --release --target "$host"
seconds=${1:-600}
name=${2:-file}
shift "$(($# < 2 ? $# : 2))"
mkdir -p artifacts "work/$name"
corpus=corpus/$name
# Files of all kinds are among the fixtures. Any bytes become an ntuple by way of one of them, which is its corpus.
case "$name" in
file) corpus="$corpus ../tests/fixtures" ;;
ntuple)
    corpus=work/seed
    mkdir -p "$corpus"
    cp ../tests/fixtures/ntuples_plain.root "$corpus/"
    ;;
esac
# shellcheck disable=SC2086 # several directories
exec "$CARGO_TARGET_DIR/$host/release/$name" "work/$name" $corpus -max_total_time="$seconds" -max_len=65536 \
    -rss_limit_mb=2048 -timeout=20 -artifact_prefix=artifacts/ -print_final_stats=1 "$@"
