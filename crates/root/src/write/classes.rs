//! What a file says of the classes that it holds: the TStreamerInfo records, from descriptions of the members.
//!
//! The members, versions and checksums are those of ROOT 6; readers that have no C++ read objects by them.

use super::out::{BITS, Out};

/// A class in the version that is written here.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) name: &'static str,
    pub(crate) version: u16,
    pub(crate) checksum: u32,
    pub(crate) members: &'static [Member],
}

/// A base class or member.
#[derive(Debug)]
pub(crate) struct Member {
    name: &'static str,
    title: &'static str,
    type_name: &'static str,
    /// The type code of TStreamerInfo.
    code: i32,
    /// Bytes in memory.
    size: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Base(&'static Class),
    Basic,
    Array {
        count: &'static str,
        class: &'static str,
        version: u16,
    },
    Text,
    Object,
    Any,
    Pointer,
    /// `std::vector<std::string>`, the only collection in the classes described here.
    Strings,
}

/// The number types of members.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    Char,
    Short,
    Int,
    Float,
    Double,
    Uchar,
    Ushort,
    Uint,
    Ulong,
    Long64,
    Bool,
}

impl Number {
    const fn code(self) -> i32 {
        match self {
            Self::Char => 1,
            Self::Short => 2,
            Self::Int => 3,
            Self::Float => 5,
            Self::Double => 8,
            Self::Uchar => 11,
            Self::Ushort => 12,
            Self::Uint => 13,
            Self::Ulong => 14,
            Self::Long64 => 16,
            Self::Bool => 18,
        }
    }

    const fn size(self) -> u32 {
        match self {
            Self::Char | Self::Uchar | Self::Bool => 1,
            Self::Short | Self::Ushort => 2,
            Self::Int | Self::Uint | Self::Float => 4,
            Self::Double | Self::Ulong | Self::Long64 => 8,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Char => "char",
            Self::Short => "short",
            Self::Int => "int",
            Self::Float => "float",
            Self::Double => "double",
            Self::Uchar => "unsigned char",
            Self::Ushort => "unsigned short",
            Self::Uint => "unsigned int",
            Self::Ulong => "unsigned long",
            Self::Long64 => "Long64_t",
            Self::Bool => "bool",
        }
    }

    const fn pointer_name(self) -> &'static str {
        match self {
            Self::Char => "char*",
            Self::Short => "short*",
            Self::Int => "int*",
            Self::Float => "float*",
            Self::Double => "double*",
            Self::Uchar => "unsigned char*",
            Self::Ushort => "unsigned short*",
            Self::Uint => "unsigned int*",
            Self::Ulong => "unsigned long*",
            Self::Long64 => "Long64_t*",
            Self::Bool => "bool*",
        }
    }
}

/// A base class. `TObject` and `TNamed` have codes of their own, since they are written without or with a header.
pub(crate) const fn base(class: &'static Class, title: &'static str) -> Member {
    let code = match class.name.as_bytes() {
        b"TObject" => 66,
        b"TNamed" => 67,
        _ => 0,
    };
    Member { name: class.name, title, type_name: "BASE", code, size: 0, kind: Kind::Base(class) }
}

/// One number.
pub(crate) const fn number(number: Number, name: &'static str, title: &'static str) -> Member {
    let (code, size) = (number.code(), number.size());
    Member { name, title, type_name: number.name(), code, size, kind: Kind::Basic }
}

/// A whole number that counts the items of later members.
pub(crate) const fn counter(name: &'static str, title: &'static str) -> Member {
    Member { name, title, type_name: "int", code: 6, size: 4, kind: Kind::Basic }
}

/// The status bits of a `TObject`.
pub(crate) const fn bits(name: &'static str, title: &'static str) -> Member {
    Member { name, title, type_name: "unsigned int", code: 15, size: 4, kind: Kind::Basic }
}

/// As many numbers as the member `count` of a class says.
pub(crate) const fn array(
    number: Number,
    name: &'static str,
    title: &'static str,
    count: &'static str,
    class: &'static str,
    version: u16,
) -> Member {
    let kind = Kind::Array { count, class, version };
    let (code, size) = (40 + number.code(), number.size());
    Member { name, title, type_name: number.pointer_name(), code, size, kind }
}

/// A `TString`.
pub(crate) const fn text(name: &'static str, title: &'static str) -> Member {
    Member { name, title, type_name: "TString", code: 65, size: 24, kind: Kind::Text }
}

/// An object in place whose class derives from `TObject`.
pub(crate) const fn object(
    name: &'static str,
    title: &'static str,
    type_name: &'static str,
    size: u32,
) -> Member {
    Member { name, title, type_name, code: 61, size, kind: Kind::Object }
}

/// An object in place of any other class.
pub(crate) const fn any(
    name: &'static str,
    title: &'static str,
    type_name: &'static str,
    size: u32,
) -> Member {
    Member { name, title, type_name, code: 62, size, kind: Kind::Any }
}

/// One value of an enumeration.
pub(crate) const fn enumeration(name: &'static str, title: &'static str, type_name: &'static str) -> Member {
    Member { name, title, type_name, code: 3, size: 4, kind: Kind::Basic }
}

/// A pointer that is never null, "->": its object is written as if it stood in place.
pub(crate) const fn owned(name: &'static str, title: &'static str, type_name: &'static str) -> Member {
    Member { name, title, type_name, code: 63, size: 8, kind: Kind::Pointer }
}

/// A pointer to an object whose class derives from `TObject`.
pub(crate) const fn pointer(name: &'static str, title: &'static str, type_name: &'static str) -> Member {
    Member { name, title, type_name, code: 64, size: 8, kind: Kind::Pointer }
}

pub(crate) const fn strings(name: &'static str, title: &'static str) -> Member {
    Member { name, title, type_name: "vector<string>", code: 500, size: 24, kind: Kind::Strings }
}

impl Member {
    fn write(&self, out: &mut Out) {
        match &self.kind {
            Kind::Base(class) => {
                out.object("TStreamerBase", |out| {
                    out.versioned(3, |out| {
                        self.write_element(out, class.checksum);
                        out.u32(u32::from(class.version));
                    });
                });
            }
            Kind::Basic => self.write_plain(out, "TStreamerBasicType"),
            Kind::Text => self.write_plain(out, "TStreamerString"),
            Kind::Object => self.write_plain(out, "TStreamerObject"),
            Kind::Any => self.write_plain(out, "TStreamerObjectAny"),
            Kind::Pointer => self.write_plain(out, "TStreamerObjectPointer"),
            Kind::Array { count, class, version } => {
                out.object("TStreamerBasicPointer", |out| {
                    out.versioned(2, |out| {
                        self.write_element(out, 0);
                        out.u32(u32::from(*version));
                        out.text(count);
                        out.text(class);
                    });
                });
            }
            Kind::Strings => {
                const VECTOR: u32 = 1;
                const OBJECTS: u32 = 61;
                out.object("TStreamerSTL", |out| {
                    out.versioned(3, |out| {
                        self.write_element(out, 0);
                        out.u32(VECTOR);
                        out.u32(OBJECTS);
                    });
                });
            }
        }
    }

    fn write_plain(&self, out: &mut Out, class: &str) {
        out.object(class, |out| out.versioned(2, |out| self.write_element(out, 0)));
    }

    /// The part that all members share. A base class has its checksum where others have array sizes.
    fn write_element(&self, out: &mut Out, checksum: u32) {
        out.versioned(4, |out| {
            out.t_named(BITS, self.name, self.title);
            out.i32(self.code);
            out.u32(self.size);
            out.u32(0);
            out.u32(0);
            for n in [0, checksum, 0, 0, 0] {
                out.u32(n);
            }
            out.text(self.type_name);
        });
    }
}

/// The object of the file's streamer list.
pub(crate) fn streamer_list(classes: &[&Class], key_len: usize) -> Option<Vec<u8>> {
    let mut out = Out::new(key_len);
    out.versioned(5, |out| {
        out.t_object(0);
        out.text("");
        out.u32(classes.len() as u32);
        for class in classes {
            out.object("TStreamerInfo", |out| class.write(out));
            out.text("");
        }
    });
    out.finish()
}

impl Class {
    fn write(&self, out: &mut Out) {
        out.versioned(9, |out| {
            // The bit says that the class has been described by its own dictionary.
            out.t_named(BITS | 1 << 16, self.name, "");
            out.u32(self.checksum);
            out.u32(u32::from(self.version));
            out.object("TObjArray", |out| {
                out.obj_array(self.members.len(), |out| self.members.iter().for_each(|m| m.write(out)));
            });
        });
    }
}
