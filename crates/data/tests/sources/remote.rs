//! A file behind an address gives what the file on disk gives, whatever its format.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fiducial_data::source;

use super::fixture;

/// Answers requests for ranges of a file; its address, and how many bytes were sent.
fn serve(name: &str, bytes: Vec<u8>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/dir/{name}?token=secret", listener.local_addr().unwrap());
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let range = lines.iter().find_map(|line| {
                let range = line.to_ascii_lowercase();
                let (start, end) = range.strip_prefix("range: bytes=")?.split_once('-')?;
                Some((start.parse::<usize>().ok()?, end.parse::<usize>().unwrap_or(usize::MAX)))
            });
            let (start, end) = range.unwrap_or((0, usize::MAX));
            let end = end.saturating_add(1).min(bytes.len());
            let part = &bytes[start.min(end)..end];
            counter.fetch_add(part.len(), Ordering::Relaxed);
            let head = format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                end - 1,
                bytes.len(),
                part.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(part));
        }
    });
    (address, sent)
}

#[test]
fn addresses_are_as_good_as_paths() {
    for name in ["table_lz4.h5", "stored.npz", "hits.csv.gz", "events.lhe", "as_jetclass.parquet"] {
        let (address, _) = serve(name, std::fs::read(fixture(name)).unwrap());
        let local = source::open(&fixture(name), None).unwrap();
        let remote =
            source::open(address.as_ref(), None).unwrap_or_else(|error| panic!("{name}: failed to {error}"));
        assert_eq!((remote.schema(), remote.rows()), (local.schema(), local.rows()), "{name}");
        let schema = local.schema();
        let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let rows = 1..local.rows() - 1;
        assert_eq!(
            remote.read(&columns, rows.clone()).unwrap(),
            local.read(&columns, rows).unwrap(),
            "{name}"
        );
        assert_eq!(remote.digest().unwrap(), local.digest().unwrap(), "{name}");
    }
}

/// Of a Parquet file on a server only the footer and the columns that are asked for are fetched.
#[test]
fn of_parquet_only_what_is_needed_is_fetched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wide.parquet");
    let column = |seed: u64| {
        let values =
            (0..40_000_u64).map(move |row| row.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(seed << 40));
        Arc::new(arrow_array::UInt64Array::from_iter_values(values)) as arrow_array::ArrayRef
    };
    let batch =
        arrow_array::RecordBatch::try_from_iter((0..20).map(|index| (format!("c{index}"), column(index))))
            .unwrap();
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let size = bytes.len();
    let (address, sent) = serve("wide.parquet", bytes);
    let remote = source::open(address.as_ref(), None).unwrap();
    let read = remote.read(&["c7"], 0..remote.rows()).unwrap();
    assert_eq!(read.column(0), batch.column(7));
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent < size / 5, "{sent} of {size} bytes were sent");
}
