//! The layouts of histograms and their like, for files that carry none.

use std::sync::OnceLock;

use crate::objects::classes::Classes;

pub(crate) fn classes() -> &'static Classes {
    static CLASSES: OnceLock<Classes> = OnceLock::new();
    CLASSES.get_or_init(Classes::default)
}
