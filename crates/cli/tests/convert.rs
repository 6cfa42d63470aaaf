//! `fiducial convert` as a user meets it.

mod common;

use common::{Answer, Sandbox, has_shared, shared};

#[test]
fn convert_writes_each_format_and_says_what_went_wrong() {
    let sandbox = Sandbox::new();
    let sample = common::benchmarks().join("jet-tagging/top/sample/top_tagging.root");
    let sample = sample.to_str().unwrap();
    let named = format!("{sample}:tree");
    let check = |arguments: &[&str], code: i32, parts: &[&str]| {
        let arguments = [&["convert"], arguments].concat();
        let Answer { code: found, stdout, stderr } = sandbox.run(&arguments);
        assert_eq!(found, code, "{arguments:?}: {stderr}");
        for part in parts {
            assert!(stdout.contains(part) || stderr.contains(part), "{arguments:?}: {stdout}{stderr}");
        }
    };
    let columns = ["--columns", "part_p?,label", "--entries", "..1000"];
    check(&[&[sample, "a.parquet"], &columns[..]].concat(), 0, &["a.parquet: 1 000 rows"]);
    check(&[&[&named, "a.arrow"], &columns[..]].concat(), 0, &["a.arrow: 1 000 rows"]);
    check(
        &[&["a.parquet", "b.root", "--compression", "lz4"], &columns[..2]].concat(),
        0,
        &["b.root: 1 000 rows"],
    );
    check(&["b.root", "c.root", "--format", "ntuple", "--name", "jets"], 0, &["c.root: 1 000 rows"]);
    check(&["b.root:nosuch", "d.root"], 3, &["nosuch"]);
    check(&["b.root", "d.csv"], 2, &["d.csv ends in none of .parquet, .arrow, .root"]);
    check(&["b.root", "d.root", "--columns", "nosuch"], 3, &["no column fits `nosuch`"]);
    check(&["b.root", "d.root", "--entries", "3"], 2, &["A..B"]);
    check(&["b.root", "d.root", "--compression", "gzip"], 2, &["none of none, zlib, lz4, zstd"]);
    check(&["b.root", "no/such/directory/d.root"], 1, &["no/such/directory"]);
    assert!(!sandbox.path("d.root").exists());
    check(&["b.root", "./b.root"], 2, &["./b.root is what is read"]);
    let text = sandbox.run(&["inspect", "b.root"]).ok();
    assert!(text.contains("tree a") && text.contains("part_px"), "{text}");
}

#[cfg(unix)]
#[test]
fn no_output_goes_over_what_is_read_and_no_file_counts_twice() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", b"x\n1\n2\n");
    let hist =
        |more: &[&str]| sandbox.run(&[&["hist", "a.csv", "-x", "x", "--bins", "3,0,3"], more].concat());
    // Through a link, too.
    std::os::unix::fs::symlink(sandbox.path("a.csv"), sandbox.path("b.svg")).unwrap();
    let answer = hist(&["-o", "b.svg"]);
    assert_eq!(
        (answer.code, answer.stderr.contains("b.svg is what is read")),
        (2, true),
        "{}",
        answer.stderr
    );
    assert_eq!(sandbox.read("a.csv"), "x\n1\n2\n");
    let answer = sandbox.run(&["hist", "a.csv", "./a.c*", "-x", "x", "--bins", "3,0,3"]);
    assert_eq!(
        (answer.code, answer.stderr.contains("named twice, also as a.csv")),
        (3, true),
        "{}",
        answer.stderr
    );
}

#[test]
fn columns_that_cannot_be_read_are_named_and_the_exit_code_says_so() {
    if !has_shared() {
        return;
    }
    let sandbox = Sandbox::new();
    let path = shared().join("root/test_FCC_Winter2023.root");
    let input = format!("{}:events", path.display());
    let Answer { code, stdout, stderr } = sandbox.run(&["convert", &input, "a.parquet"]);
    assert_eq!(code, if stderr.contains("warning: column") { 4 } else { 0 }, "{stderr}");
    assert!(stdout.contains("a.parquet"), "{stdout}");
    assert!(sandbox.path("a.parquet").exists());
}
