//! XRootD's own server, where it is installed.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fiducial_root::{RemoteOptions, RootFile};

use super::{check, fixture, options, read_all, shared};

/// A directory that ends with the test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("fiducial-xrootd-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(path.join("data")).expect("a directory can be made");
        std::fs::create_dir_all(path.join("admin")).expect("a directory can be made");
        std::fs::copy(fixture(), path.join("data/codecs.root")).expect("the fixture can be copied");
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server that ends with the test.
struct Xrootd {
    child: Child,
    port: u16,
}

impl Drop for Xrootd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Xrootd {
    /// Starts a server for `directory/data`, with some lines of configuration of its own.
    fn start(name: &str, directory: &Path, lines: &str) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let at = directory.display();
        let config = format!(
            "all.export /data r/o\noss.localroot {at}\nall.adminpath {at}/admin\nall.pidpath {at}/admin\n\
             xrd.port {port}\nxrd.network nodnr\n{lines}\n"
        );
        let file = directory.join(format!("{name}.cfg"));
        std::fs::write(&file, config).expect("the configuration can be written");
        let log = std::fs::File::create(directory.join(format!("{name}.log"))).expect("a file can be made");
        let mut command = Command::new("xrootd");
        if is_root(directory) {
            // The server refuses to be root; its Debian package makes a user for it.
            let open = Command::new("chmod").args(["-R", "a+rwX"]).arg(directory).status();
            assert!(
                open.is_ok_and(|status| status.success()),
                "the directory cannot be opened to the server's user"
            );
            command.args(["-R", "xrootd"]);
        }
        command
            .arg("-c")
            .arg(&file)
            .args(["-n", name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let Ok(child) = command.spawn() else {
            eprintln!("skipped: xrootd is not installed");
            return None;
        };
        let mut server = Self { child, port };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(server);
            }
            if server.child.try_wait().ok().flatten().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = std::fs::read_to_string(directory.join(format!("{name}.log"))).unwrap_or_default();
        panic!("xrootd does not start: {log}");
    }

    fn url(&self, path: &str) -> String {
        format!("root://127.0.0.1:{}/{path}", self.port)
    }
}

#[cfg(unix)]
fn is_root(directory: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(directory).is_ok_and(|metadata| metadata.uid() == 0)
}

#[cfg(not(unix))]
fn is_root(_directory: &Path) -> bool {
    false
}

#[test]
fn the_real_server_is_read() {
    let directory = Directory::new();
    let Some(server) = Xrootd::start("plain", &directory.0, "") else { return };
    check("anonymous", &server.url("/data/codecs.root"), Ok(()));
    check("one slash", &server.url("data/codecs.root"), Ok(()));
    check("no such file", &server.url("/data/none.root"), Err(&["error 3011", "1 attempt "]));
    check("not exported", &server.url("/etc/passwd"), Err(&["error 30", "1 attempt "]));

    let unix = Xrootd::start("unix", &directory.0, "xrootd.seclib libXrdSec.so\nsec.protocol unix\n");
    check("by name", &unix.expect("the first one started").url("/data/codecs.root"), Ok(()));

    let lines = format!("xrootd.redirect 127.0.0.1:{} all\n", server.port);
    let redirector = Xrootd::start("redirector", &directory.0, &lines);
    check("redirected", &redirector.expect("the first one started").url("/data/codecs.root"), Ok(()));

    for name in ["nanoAOD_2015_CMS_Open_Data_ttbar.root", "uproot-issue79.root"] {
        let Some(path) = shared(name) else { continue };
        std::fs::copy(&path, directory.0.join("data").join(name)).expect("the file can be copied");
        let url = server.url(&format!("/data/{name}"));
        let patient = RemoteOptions { read_timeout: Duration::from_secs(10), ..options() };
        let remote =
            RootFile::open_with(url, &patient).and_then(|file| read_all(&file)).expect("it is readable");
        let local = RootFile::open(path).and_then(|file| read_all(&file)).expect("it is readable");
        assert!(remote == local, "{name}: other values than those of the local file");
    }
}
