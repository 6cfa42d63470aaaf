//! The values of a column while they are parsed.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, UInt64Builder};
use arrow_schema::DataType;

use super::kinds::{boolean, float, is_missing};

pub(super) enum Builder {
    Signed(Int64Builder),
    Unsigned(UInt64Builder),
    Float(Float64Builder),
    Boolean(BooleanBuilder),
    Text(StringBuilder),
}

impl Builder {
    pub(super) fn new(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Int64 => Self::Signed(Int64Builder::new()),
            DataType::UInt64 => Self::Unsigned(UInt64Builder::new()),
            DataType::Float64 => Self::Float(Float64Builder::new()),
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            _ => return None,
        })
    }

    /// Takes a cell; whether it is of the column's type.
    pub(super) fn push(&mut self, cell: &[u8]) -> bool {
        let Ok(whole) = std::str::from_utf8(cell) else { return false };
        let text = whole.trim_ascii();
        let is_there = match self {
            Self::Text(_) => !text.is_empty(),
            _ => !text.is_empty() && !is_missing(text.as_bytes()),
        };
        let is_value = match self {
            Self::Signed(builder) => {
                let value = text.parse().ok();
                builder.append_option(value);
                value.is_some()
            }
            Self::Unsigned(builder) => {
                let value = text.parse().ok();
                builder.append_option(value);
                value.is_some()
            }
            Self::Float(builder) => {
                let value = float(text);
                builder.append_option(value);
                value.is_some()
            }
            Self::Boolean(builder) => {
                let value = boolean(text);
                builder.append_option(value);
                value.is_some()
            }
            Self::Text(builder) => {
                builder.append_option(is_there.then_some(whole));
                is_there
            }
        };
        is_value == is_there
    }

    pub(super) fn finish(self) -> ArrayRef {
        match self {
            Self::Signed(mut builder) => Arc::new(builder.finish()),
            Self::Unsigned(mut builder) => Arc::new(builder.finish()),
            Self::Float(mut builder) => Arc::new(builder.finish()),
            Self::Boolean(mut builder) => Arc::new(builder.finish()),
            Self::Text(mut builder) => Arc::new(builder.finish()),
        }
    }
}
