//! `croissant.json`: the metadata that dataset search engines and ML frameworks read.
//!
//! Format: Croissant 1.1, <https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html>.

use serde_json::{Value, json};

use super::{ColumnInfo, Manifest, ROW_ID};

/// The metadata of a dataset as a text.
pub(crate) fn croissant(manifest: &Manifest) -> String {
    let about = &manifest.about;
    let mut metadata = json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": about.name,
        "description": description(manifest),
        // Croissant wants a version of three numbers; the hash stands behind it.
        "version": format!("1.0.0+{}", &manifest.version.get(..16).unwrap_or(&manifest.version)),
        "keywords": about.keywords,
        "distribution": distribution(manifest),
        "recordSet": manifest.splits.iter().map(|split| record_set(&split.name, manifest)).collect::<Vec<_>>(),
    });
    let optional = [
        ("license", about.license.as_deref().map(|license| json!(license_url(license)))),
        ("citeAs", about.citation.as_ref().map(|citation| json!(citation))),
        ("url", about.url.as_ref().map(|url| json!(url))),
        ("datePublished", about.date_published.as_ref().map(|date| json!(date))),
        ("creator", (!about.creators.is_empty()).then(|| creators(&about.creators))),
    ];
    if let Some(object) = metadata.as_object_mut() {
        object.extend(optional.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    }
    // A value made of maps with text keys always has a text.
    serde_json::to_string_pretty(&metadata).unwrap_or_default() + "\n"
}

fn description(manifest: &Manifest) -> String {
    match manifest.about.description.as_str() {
        "" => format!("{} rows prepared with Fiducial.", manifest.total_rows()),
        text => text.to_owned(),
    }
}

/// An SPDX identifier as the address of the licence, anything else as it is.
fn license_url(license: &str) -> String {
    let spdx = license.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '+'));
    if spdx { format!("https://spdx.org/licenses/{license}.html") } else { license.to_owned() }
}

fn creators(names: &[String]) -> Value {
    names.iter().map(|name| json!({ "@type": "sc:Organization", "name": name })).collect()
}

/// One file object for each shard, with its hash, and one file set for each split.
fn distribution(manifest: &Manifest) -> Value {
    let format = "application/x-parquet";
    let files = manifest.files.iter().map(|file| {
        json!({
            "@type": "cr:FileObject",
            "@id": file.path,
            "name": file.path,
            "contentUrl": file.path,
            "contentSize": format!("{} B", file.bytes),
            "encodingFormat": format,
            "sha256": file.sha256,
        })
    });
    let sets = manifest.splits.iter().map(|split| {
        json!({
            "@type": "cr:FileSet",
            "@id": file_set(&split.name),
            "name": file_set(&split.name),
            "description": format!("The shards of the split `{}`.", split.name),
            "encodingFormat": format,
            "includes": format!("{}/*.parquet", split.name),
        })
    });
    files.chain(sets).collect()
}

fn file_set(split: &str) -> String {
    format!("{split}-files")
}

fn record_set(split: &str, manifest: &Manifest) -> Value {
    json!({
        "@type": "cr:RecordSet",
        "@id": split,
        "name": split,
        "description": format!("{} rows.", manifest.rows(split).unwrap_or_default()),
        "key": { "@id": format!("{split}/{ROW_ID}") },
        "field": manifest.columns.iter().map(|column| field(split, column)).collect::<Vec<_>>(),
    })
}

fn field(split: &str, column: &ColumnInfo) -> Value {
    let (data_type, shape) = data_type(&column.data_type);
    let mut text = column.description.clone().unwrap_or_else(|| column.name.clone());
    if let Some(unit) = &column.unit {
        text = format!("{text} [{unit}]");
    }
    let mut field = json!({
        "@type": "cr:Field",
        "@id": format!("{split}/{}", column.name),
        "name": column.name,
        "description": text,
        "dataType": data_type,
        "source": { "fileSet": { "@id": file_set(split) }, "extract": { "column": column.name } },
    });
    if !shape.is_empty()
        && let Some(object) = field.as_object_mut()
    {
        object.insert("isArray".to_owned(), json!(true));
        object.insert("arrayShape".to_owned(), json!(shape.join(",")));
    }
    field
}

/// The Croissant type of the innermost items of a column, and the length of each dimension, -1 where it varies.
fn data_type(name: &str) -> (&'static str, Vec<String>) {
    let (mut name, mut shape) = (name, Vec::new());
    loop {
        if let Some(item) = name.strip_prefix("list<").and_then(|rest| rest.strip_suffix('>')) {
            shape.push("-1".to_owned());
            name = item;
        } else if let Some((item, length)) = name.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
            shape.push(length.to_owned());
            name = item;
        } else {
            break;
        }
    }
    let item = match name {
        "bool" => "sc:Boolean",
        "int8" => "cr:Int8",
        "int16" => "cr:Int16",
        "int32" => "cr:Int32",
        "int64" => "cr:Int64",
        "uint8" => "cr:UInt8",
        "uint16" => "cr:UInt16",
        "uint32" => "cr:UInt32",
        "uint64" => "cr:UInt64",
        "float16" => "cr:Float16",
        "float32" => "cr:Float32",
        "float64" => "cr:Float64",
        _ => "sc:Text",
    };
    (item, shape)
}

/// The context that the specification of version 1.1 gives.
fn context() -> Value {
    json!({
        "@language": "en",
        "@vocab": "https://schema.org/",
        "arrayShape": "cr:arrayShape",
        "citeAs": "cr:citeAs",
        "column": "cr:column",
        "conformsTo": "dct:conformsTo",
        "containedIn": "cr:containedIn",
        "cr": "http://mlcommons.org/croissant/",
        "data": { "@id": "cr:data", "@type": "@json" },
        "dataType": { "@id": "cr:dataType", "@type": "@vocab" },
        "dct": "http://purl.org/dc/terms/",
        "description": { "@container": "@language" },
        "equivalentProperty": "cr:equivalentProperty",
        "examples": { "@id": "cr:examples", "@type": "@json" },
        "extract": "cr:extract",
        "field": "cr:field",
        "fileObject": "cr:fileObject",
        "fileProperty": "cr:fileProperty",
        "fileSet": "cr:fileSet",
        "format": "cr:format",
        "includes": "cr:includes",
        "isArray": "cr:isArray",
        "isLiveDataset": "cr:isLiveDataset",
        "jsonPath": "cr:jsonPath",
        "key": "cr:key",
        "md5": "cr:md5",
        "name": { "@container": "@language" },
        "parentField": "cr:parentField",
        "path": "cr:path",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "recordSet": "cr:recordSet",
        "references": "cr:references",
        "regex": "cr:regex",
        "repeated": "cr:repeated",
        "replace": "cr:replace",
        "samplingRate": "cr:samplingRate",
        "sc": "https://schema.org/",
        "separator": "cr:separator",
        "source": "cr:source",
        "subField": "cr:subField",
        "transform": "cr:transform",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_become_croissant_types() {
        let check = |name: &str, item: &str, shape: &[&str]| {
            let (found, lengths) = data_type(name);
            assert_eq!((found, lengths), (item, shape.iter().map(|s| (*s).to_owned()).collect()), "{name}");
        };
        check("uint64", "cr:UInt64", &[]);
        check("list<float32>", "cr:Float32", &["-1"]);
        check("list<list<bool>>", "sc:Boolean", &["-1", "-1"]);
        check("int16[3]", "cr:Int16", &["3"]);
        check("list<int16[3]>", "cr:Int16", &["-1", "3"]);
        check("string", "sc:Text", &[]);
    }
}
