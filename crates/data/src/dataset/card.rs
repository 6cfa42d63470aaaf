//! `README.md`: a Hugging Face dataset card. The YAML front matter makes the directory load there unchanged; the text
//! is for a person who must decide whether to trust the data.

use serde_json::Number;

use super::{ColumnInfo, Manifest, ROW_ID};

/// The card of a dataset.
pub(crate) fn card(manifest: &Manifest) -> String {
    let about = &manifest.about;
    let mut text = front_matter(manifest);
    let mut add = |part: String| {
        text.push_str(&part);
        text.push('\n');
    };
    add(format!("# {}\n", about.name));
    if !about.description.is_empty() {
        add(format!("{}\n", about.description.trim()));
    }
    add(usage(manifest));
    add(splits(manifest));
    add(columns(manifest));
    add(cutflow(manifest));
    if !manifest.skipped.is_empty() {
        add(skipped(manifest));
    }
    if !manifest.widened.is_empty() {
        add(widened(manifest));
    }
    add(provenance(manifest));
    if let Some(citation) = &about.citation {
        add(format!("## Citation\n\n```bibtex\n{}\n```", citation.trim()));
    }
    text
}

/// The YAML that the hub reads: <https://huggingface.co/docs/hub/datasets-cards>.
fn front_matter(manifest: &Manifest) -> String {
    let about = &manifest.about;
    let license = about.license.as_deref().map_or_else(|| "unknown".to_owned(), str::to_lowercase);
    let mut lines = vec![
        "---".to_owned(),
        format!("pretty_name: {}", quoted(&about.name)),
        format!("license: {}", quoted(&license)),
        "task_categories:".to_owned(),
        "- tabular-classification".to_owned(),
        "size_categories:".to_owned(),
        format!("- {}", size_category(manifest.total_rows())),
        "tags:".to_owned(),
        "- high-energy-physics".to_owned(),
        "- croissant".to_owned(),
    ];
    lines.extend(about.keywords.iter().map(|keyword| format!("- {}", quoted(keyword))));
    lines.push("configs:\n- config_name: default\n  data_files:".to_owned());
    for split in &manifest.splits {
        lines.push(format!("  - split: {}", quoted(&split.name)));
        lines.push(format!("    path: {}", quoted(&format!("{}/*.parquet", split.name))));
    }
    lines.push("---\n".to_owned());
    lines.join("\n")
}

/// A text as YAML reads it back: JSON strings are YAML strings.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The hub's classes of sizes.
fn size_category(rows: u64) -> &'static str {
    match rows {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        1_000_000..10_000_000 => "1M<n<10M",
        10_000_000..100_000_000 => "10M<n<100M",
        100_000_000..1_000_000_000 => "100M<n<1B",
        1_000_000_000..10_000_000_000 => "1B<n<10B",
        10_000_000_000..100_000_000_000 => "10B<n<100B",
        100_000_000_000..1_000_000_000_000 => "100B<n<1T",
        _ => "n>1T",
    }
}

fn usage(manifest: &Manifest) -> String {
    let split = manifest.splits.first().map_or("train", |split| split.name.as_str());
    format!(
        "```python\nfrom datasets import load_dataset\n\ndata = load_dataset(\"path/to/this/directory\", split=\"{split}\")\n```\n\n\
         `fiducial dataset verify DIR` compares every file with its checksum.\n"
    )
}

fn splits(manifest: &Manifest) -> String {
    let rows = manifest.splits.iter().map(|split| {
        let shards = manifest.files.iter().filter(|file| file.split == split.name).count();
        vec![format!("`{}`", split.name), split.rows.to_string(), shards.to_string()]
    });
    format!("## Splits\n\n{}", table(&["split", "rows", "shards"], rows))
}

fn columns(manifest: &Manifest) -> String {
    let rows = manifest.columns.iter().map(|column| {
        vec![
            format!("`{}`", column.name),
            format!("`{}`", column.data_type),
            column.unit.clone().unwrap_or_default(),
            range(column),
            column.mean_length.map(|mean| format!("{mean:.1}")).unwrap_or_default(),
            column.nulls.to_string(),
            (column.nans + column.infinities).to_string(),
            column.description.clone().unwrap_or_default(),
        ]
    });
    let header =
        ["column", "type", "unit", "range", "mean length", "nulls", "NaN or infinite", "description"];
    format!(
        "## Columns\n\n{}\nUnits stand where they are known. `{ROW_ID}` is the number of the row in \
         the sources, counted from 0 over all of them in order.\n",
        table(&header, rows)
    )
}

/// What is missing because its file was left out.
fn skipped(manifest: &Manifest) -> String {
    let rows = manifest
        .skipped
        .iter()
        .map(|file| vec![format!("`{}`", file.file), file.lost(), file.reason.clone()]);
    format!(
        "## Files that were left out\n\nThese files were to be sources, and none of their rows are here.\n\n{}",
        table(&["file", "lost", "reason"], rows)
    )
}

/// What is of another type than in some source.
fn widened(manifest: &Manifest) -> String {
    let rows = manifest.widened.iter().map(|widened| vec![format!("`{}`", widened.column), widened.told()]);
    format!(
        "## Columns whose type differs between the sources\n\nNo value was changed.\n\n{}",
        table(&["column", "types"], rows)
    )
}

fn range(column: &ColumnInfo) -> String {
    let shown = |number: &Number| match number.as_f64() {
        Some(value) if number.is_f64() => format!("{}", (value * 1e4).round() / 1e4),
        _ => number.to_string(),
    };
    match (&column.minimum, &column.maximum) {
        (Some(minimum), Some(maximum)) => format!("{} to {}", shown(minimum), shown(maximum)),
        _ => String::new(),
    }
}

fn cutflow(manifest: &Manifest) -> String {
    let (read, steps) = manifest.total_cutflow();
    let first = vec!["read from the sources".to_owned(), read.to_string(), String::new()];
    let steps = steps.iter().map(|step| {
        let dropped = step.before - step.after.min(step.before);
        let what = match &step.column {
            Some(column) => format!("no NaN or infinite value in `{column}`"),
            None => format!("`{}`", step.clause),
        };
        vec![what, step.after.to_string(), dropped.to_string()]
    });
    format!(
        "## Cutflow\n\n{}",
        table(&["step", "rows left", "rows dropped"], std::iter::once(first).chain(steps))
    )
}

fn provenance(manifest: &Manifest) -> String {
    let sources = manifest.sources.iter().map(|source| {
        vec![
            format!("`{}`", source.file),
            source.rows.to_string(),
            source.bytes.to_string(),
            format!("`{}`", source.sha256),
        ]
    });
    // A fence longer than any in the view keeps the view inside.
    let longest = manifest.view.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!(
        "## Provenance\n\nVersion `{}`, the SHA-256 of the content. Written by {}.\n\n{}\nPrepared with this view:\n\n\
         {fence}toml\n{}\n{fence}\n",
        manifest.version,
        manifest.created_by,
        table(&["source", "rows", "bytes", "sha256"], sources),
        manifest.view.trim(),
    )
}

/// A Markdown table. Bars and newlines in cells would break its rows.
fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| {
        let cells: Vec<String> =
            cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = line(header.iter().map(|&name| name.to_owned()).collect());
    text.push_str(&line(vec!["---".to_owned(); header.len()]));
    text.extend(rows.into_iter().map(line));
    text
}
