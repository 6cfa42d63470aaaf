//! S3, from a server of the Python package moto.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use super::{check, fixture_bytes};

/// Names the addresses that [`child`] reads, and what is to come of it.
const URL: &str = "FIDUCIAL_TEST_S3_URL";
const EXPECTED: &str = "FIDUCIAL_TEST_S3_EXPECTED";

/// A server that ends with the test.
struct Moto {
    child: Child,
    address: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Moto {
    fn start() -> Option<Self> {
        let Ok(python) = std::env::var("FIDUCIAL_TEST_PYTHON") else {
            eprintln!("skipped: FIDUCIAL_TEST_PYTHON is not set to a Python with moto");
            return None;
        };
        // The port is the system's choice, and is told on the first line.
        let code = "from moto.server import ThreadedMotoServer; import sys, time\n\
                    server = ThreadedMotoServer('127.0.0.1', 0, verbose=False); server.start()\n\
                    print('%s:%s' % server.get_host_and_port(), flush=True)\n\
                    sys.stdin.read()";
        let mut command = Command::new(python);
        command.args(["-c", code]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut moto = Self { child: command.spawn().expect("Python starts"), address: String::new() };
        let _ = moto.child.stdout.take().map(|out| BufReader::new(out).read_line(&mut moto.address));
        if moto.address.trim().is_empty() {
            let mut text = String::new();
            let _ = moto.child.stderr.take().map(|mut err| err.read_to_string(&mut text));
            assert!(text.contains("No module named"), "moto does not start: {text}");
            eprintln!("skipped: moto is not installed for FIDUCIAL_TEST_PYTHON");
            return None;
        }
        moto.address.truncate(moto.address.trim_end().len());
        Some(moto)
    }

    fn put(&self, path: &str, headers: &str, body: &[u8]) {
        let mut stream = TcpStream::connect(&self.address).expect("the server listens");
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: AWS4-HMAC-SHA256 Credential=KEY/20260101/us-east-1/s3/aws4_request\r\n\
             {headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.address,
            body.len()
        );
        stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body))
            .expect("it takes the request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
}

/// Reads an address in a process of its own, whose environment has nothing of Amazon's but `vars`.
fn read(url: &str, vars: &[(&str, &str)], expected: &str) {
    let mut command = Command::new(std::env::current_exe().expect("this test is a file"));
    command.args(["--exact", "s3::child", "--ignored"]).env(URL, url).env(EXPECTED, expected);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    let empty = std::env::temp_dir().join("no-such-directory-of-a-home");
    let output = command.env("HOME", empty).envs(vars.iter().copied()).output().expect("the test starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{url}: {text}");
}

#[test]
#[ignore = "started by the other test, with an environment of its own"]
fn child() {
    let [url, expected] =
        [URL, EXPECTED].map(|name| std::env::var(name).expect("it is started by the other test"));
    match expected.as_str() {
        "" => check(&url, &url, Ok(())),
        part => check(&url, &url, Err(&[part])),
    }
}

#[test]
fn buckets_are_read() {
    let Some(moto) = Moto::start() else { return };
    moto.put("/private", "", b"");
    moto.put("/private/dir/codecs%20%2B1.root", "", &fixture_bytes());
    moto.put("/public", "", b"");
    moto.put("/public/codecs.root", "x-amz-acl: public-read\r\n", &fixture_bytes());
    let endpoint = format!("http://{}", moto.address);
    let anonymous = [("AWS_ENDPOINT_URL", endpoint.as_str())];
    let mut keys =
        vec![("AWS_ACCESS_KEY_ID", "KEY"), ("AWS_SECRET_ACCESS_KEY", "SECRET"), ("AWS_REGION", "eu-west-1")];
    keys.extend(anonymous);
    let mut token = keys.clone();
    token.push(("AWS_SESSION_TOKEN", "TOKEN"));
    for (url, vars, expected) in [
        ("s3://private/dir/codecs +1.root", keys.as_slice(), ""),
        ("s3://private/dir/codecs +1.root", &token, ""),
        ("s3://public/codecs.root", &anonymous, ""),
        ("s3://private/dir/codecs +1.root", &anonymous, "asked without credentials"),
        ("s3://private/no such.root", &keys, "404 Not Found (NoSuchKey: "),
        ("s3://nobody/codecs.root", &keys, "404 Not Found (NoSuchBucket: "),
    ] {
        read(url, vars, expected);
    }
}
