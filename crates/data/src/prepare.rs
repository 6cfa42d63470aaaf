//! Sources to an AI-ready dataset.
