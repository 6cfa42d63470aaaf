//! A `TClonesArray` in one piece: neither the branch nor the file's list of classes tells what it holds, the data do.

use std::sync::Arc;

use crate::branch::Branch;
use crate::classes::Classes;
use crate::cursor::Cursor;
use crate::error::{Place, Result};
use crate::file::RootFile;
use crate::header::{self, Header};
use crate::shape::Shape;

/// The shape of a branch that holds a `TClonesArray`, whose first basket is read for it.
pub(crate) fn shape(
    branch: &Branch,
    file: &RootFile,
    classes: &mut Classes<'_>,
) -> std::result::Result<Shape, String> {
    let Some(stored) = branch.stored.first() else {
        return Err("a TClonesArray without baskets, which does not tell its class".into());
    };
    let entries = branch.starts.get(1).copied().unwrap_or(0);
    let label = Arc::from(format!("branch {}", branch.path));
    let place = Place::new(file.name(), Arc::clone(&label), stored.seek);
    let data = file.read(stored.seek, stored.bytes, &place).map_err(|e| e.to_string())?;
    let basket = stored.open(data, file, &label, entries as usize).map_err(|e| e.to_string())?;
    let class = class(basket.values(), &basket.place, branch.is_object).map_err(|e| e.to_string())?;
    classes.clones(class.rsplit_once(';').map_or(class.as_str(), |(class, _)| class), branch.is_object)
}

/// "class;version" of the items.
fn class(entry: &[u8], place: &Place, named: bool) -> Result<String> {
    let mut cursor = Cursor::new(entry, place);
    if named {
        cursor.text_bytes()?;
        cursor.take(1)?;
    }
    if Header::read(&mut cursor)?.version > 2 {
        header::t_object(&mut cursor)?;
    }
    let _name = cursor.text()?;
    cursor.text()
}
