//! A dataset and a view to padded, standardised tensors.
