//! AI-ready datasets: shards, card, metadata, checksums.
