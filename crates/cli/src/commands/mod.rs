//! One module a command.

pub(crate) mod bench;
pub(crate) mod catalogue;
pub(crate) mod convert;
pub(crate) mod dataset;
pub(crate) mod evaluate;
pub(crate) mod external;
pub(crate) mod hist;
pub(crate) mod inspect;
pub(crate) mod predict;
pub(crate) mod prepare;
pub(crate) mod train;
pub(crate) mod view;
pub(crate) mod workers;
