//! Public datasets, downloaded, resumed and checked.
