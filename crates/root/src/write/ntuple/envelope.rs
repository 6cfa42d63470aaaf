//! Envelopes: header, page list and footer, little-endian, each with its checksum.

use super::schema::{ColumnRecord, FieldRecord};

/// The kinds of envelope.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Envelope {
    Header = 1,
    Footer = 2,
    PageList = 3,
}

/// A byte range of the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Locator {
    pub(crate) size: u32,
    pub(crate) offset: u64,
}

/// A page that was written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageRecord {
    pub(crate) elements: u32,
    pub(crate) locator: Locator,
}

/// A column within a cluster.
#[derive(Debug)]
pub(crate) struct ColumnPages {
    pub(crate) pages: Vec<PageRecord>,
    /// The column's elements in earlier clusters.
    pub(crate) offset: u64,
}

/// A cluster that was written.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) first_entry: u64,
    pub(crate) entries: u64,
    pub(crate) columns: Vec<ColumnPages>,
}

/// Clusters whose page list was written.
#[derive(Debug)]
pub(crate) struct ClusterGroup {
    pub(crate) first_entry: u64,
    pub(crate) entries: u64,
    pub(crate) clusters: u32,
    pub(crate) size: u64,
    pub(crate) locator: Locator,
}

#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn i32(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.u32(text.len() as u32);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn locator(&mut self, locator: Locator) {
        self.u32(locator.size);
        self.u64(locator.offset);
    }

    /// A record frame: its size, then its content.
    fn record(&mut self, content: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.i64(0);
        content(self);
        self.patch(start, (self.0.len() - start) as i64);
    }

    /// A list frame: its size, negative, the number of its items, then those.
    fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        self.list_and(items, &mut item, |_| {});
    }

    /// A list frame with something behind its items.
    fn list_and<T>(
        &mut self,
        items: &[T],
        mut item: impl FnMut(&mut Self, &T),
        rest: impl FnOnce(&mut Self),
    ) {
        let start = self.0.len();
        self.i64(0);
        self.u32(items.len() as u32);
        items.iter().for_each(|each| item(self, each));
        rest(self);
        self.patch(start, -((self.0.len() - start) as i64));
    }

    fn patch(&mut self, at: usize, value: i64) {
        self.0[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
}

/// An envelope with its type, its length and its checksum, which is also given alone.
fn envelope(kind: Envelope, content: impl FnOnce(&mut Bytes)) -> (Vec<u8>, u64) {
    let mut out = Bytes::default();
    out.u64(0);
    content(&mut out);
    let mut bytes = out.0;
    let length = bytes.len() as u64 + 8;
    bytes[..8].copy_from_slice(&(kind as u64 | length << 16).to_le_bytes());
    let sum = xxhash_rust::xxh3::xxh3_64(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    (bytes, sum)
}

fn schema(out: &mut Bytes, fields: &[FieldRecord], columns: &[ColumnRecord], split: bool) {
    const REPETITIVE: u16 = 1;
    out.list(fields, |out, field| {
        out.record(|out| {
            out.u32(0);
            out.u32(0);
            out.u32(field.parent);
            out.u16(field.role as u16);
            out.u16(if field.repetition.is_some() { REPETITIVE } else { 0 });
            out.text(&field.name);
            out.text(&field.type_name);
            out.text("");
            out.text(&field.description);
            if let Some(n) = field.repetition {
                out.u64(n);
            }
        });
    });
    out.list(columns, |out, column| {
        out.record(|out| {
            let (code, bits) = column.kind.code(split);
            out.u16(code);
            out.u16(bits);
            out.u32(column.field);
            out.u16(0);
            out.u16(0);
        });
    });
    // Neither alias columns nor extra type information.
    out.list::<()>(&[], |_, ()| {});
    out.list::<()>(&[], |_, ()| {});
}

/// The header: name, description, writer and schema. Gives its checksum too.
pub(crate) fn header(
    name: &str,
    description: &str,
    fields: &[FieldRecord],
    columns: &[ColumnRecord],
    split: bool,
) -> (Vec<u8>, u64) {
    envelope(Envelope::Header, |out| {
        out.u64(0);
        out.text(name);
        out.text(description);
        out.text(concat!("fiducial-root ", env!("CARGO_PKG_VERSION")));
        schema(out, fields, columns, split);
    })
}

/// The page list of some clusters.
pub(crate) fn page_list(header: u64, clusters: &[Cluster], setting: u32) -> Vec<u8> {
    let content = |out: &mut Bytes| {
        out.u64(header);
        out.list(clusters, |out, cluster| {
            out.record(|out| {
                out.u64(cluster.first_entry);
                out.u64(cluster.entries);
            });
        });
        out.list(clusters, |out, cluster| {
            out.list(&cluster.columns, |out, column| {
                let page = |out: &mut Bytes, page: &PageRecord| {
                    // A negative number announces the page's checksum.
                    out.i32(-(page.elements as i32));
                    out.locator(page.locator);
                };
                out.list_and(&column.pages, page, |out| {
                    out.i64(column.offset as i64);
                    out.u32(setting);
                });
            });
        });
    };
    envelope(Envelope::PageList, content).0
}

/// The footer: the cluster groups.
pub(crate) fn footer(header: u64, groups: &[ClusterGroup]) -> Vec<u8> {
    let content = |out: &mut Bytes| {
        out.u64(0);
        out.u64(header);
        out.record(|out| schema(out, &[], &[], false));
        out.list(groups, |out, group| {
            out.record(|out| {
                out.u64(group.first_entry);
                out.u64(group.entries);
                out.u32(group.clusters);
                out.u64(group.size);
                out.locator(group.locator);
            });
        });
    };
    envelope(Envelope::Footer, content).0
}
