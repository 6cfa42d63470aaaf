//! Files in S3 buckets: requests to an HTTP server, with a signature in their addresses.
//!
//! The credentials, the region and the server come from the environment, as with Amazon's own tools.

use std::path::PathBuf;
use std::time::Duration;

use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};

use super::http::{self, Address};
use super::{Fault, Found, RemoteOptions, Url};

/// How long a signature is valid: longer than any pause between signing and sending.
const VALID: Duration = Duration::from_secs(3600);

const DEFAULT_REGION: &str = "us-east-1";

/// An object in a bucket, and who asks for it.
pub(super) struct Object {
    bucket: Bucket,
    key: String,
    credentials: Option<Credentials>,
}

impl Object {
    /// The address of a request for it, signed now.
    pub(super) fn address(&self) -> String {
        self.bucket.get_object(self.credentials.as_ref(), &self.key).sign(VALID).to_string()
    }

    fn new(url: &Url, settings: &Settings) -> Result<Self, Fault> {
        let key = url.path().strip_prefix('/').unwrap_or_default();
        if !url.query().is_empty() {
            return Err(Fault::last("an s3:// address is s3://BUCKET/KEY, without a query"));
        }
        if key.is_empty() || url.host().is_empty() {
            return Err(Fault::last("an s3:// address is s3://BUCKET/KEY"));
        }
        if key.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(Fault::last("a key with a part `.` or `..` has no address"));
        }
        // Names with dots do not fit certificates, and servers of one's own seldom have a name for each bucket.
        let (endpoint, style) = match &settings.endpoint {
            Some(endpoint) => (endpoint.clone(), UrlStyle::Path),
            None if url.host().contains('.') => (amazon(&settings.region), UrlStyle::Path),
            None => (amazon(&settings.region), UrlStyle::VirtualHost),
        };
        let unusable =
            |reason: String| Fault::last(format!("the S3 endpoint {endpoint} cannot be used: {reason}"));
        let parsed = endpoint.parse().map_err(|error| unusable(format!("{error}")))?;
        let bucket = Bucket::new(parsed, style, url.host().to_owned(), settings.region.clone())
            .map_err(|error| unusable(error.to_string()))?;
        Ok(Self { bucket, key: key.to_owned(), credentials: settings.credentials.clone() })
    }
}

fn amazon(region: &str) -> String {
    format!("https://s3.{region}.amazonaws.com")
}

pub(super) fn open(url: &Url, options: &RemoteOptions) -> Result<Found, Fault> {
    let settings =
        Settings::new(&|name| std::env::var(name).ok(), &|path| std::fs::read_to_string(path).ok());
    let object = Object::new(url, &settings)?;
    let is_anonymous = object.credentials.is_none();
    http::find(Address::Signed(Box::new(object)), options).map_err(|fault| match is_anonymous {
        true => Fault { reason: format!("{}, asked without credentials", fault.reason), ..fault },
        false => fault,
    })
}

/// What the environment says of S3.
struct Settings {
    region: String,
    endpoint: Option<String>,
    credentials: Option<Credentials>,
}

impl Settings {
    /// From the environment variables first, then from the profile in Amazon's two files.
    fn new(var: &dyn Fn(&str) -> Option<String>, read: &dyn Fn(&PathBuf) -> Option<String>) -> Self {
        let var =
            |name: &str| var(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let profile = var("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
        let file = |variable: &str, name: &str| {
            let path = var(variable).map(PathBuf::from);
            let path = path.or_else(|| Some(PathBuf::from(var("HOME")?).join(".aws").join(name)))?;
            read(&path)
        };
        let shared = file("AWS_SHARED_CREDENTIALS_FILE", "credentials").unwrap_or_default();
        let config = file("AWS_CONFIG_FILE", "config").unwrap_or_default();
        let of = |key: &str| value(&shared, &profile, key).or_else(|| value(&config, &profile, key));

        let from_variables = var("AWS_ACCESS_KEY_ID").zip(var("AWS_SECRET_ACCESS_KEY"));
        let from_files = || of("aws_access_key_id").zip(of("aws_secret_access_key"));
        let (keys, token) = match from_variables {
            Some(keys) => (Some(keys), var("AWS_SESSION_TOKEN")),
            None => (from_files(), of("aws_session_token")),
        };
        let credentials = keys.map(|(key, secret)| match token {
            Some(token) => Credentials::new_with_token(key, secret, token),
            None => Credentials::new(key, secret),
        });
        let region = var("AWS_REGION").or_else(|| var("AWS_DEFAULT_REGION")).or_else(|| of("region"));
        let endpoint =
            var("AWS_ENDPOINT_URL_S3").or_else(|| var("AWS_ENDPOINT_URL")).or_else(|| of("endpoint_url"));
        Self { region: region.unwrap_or_else(|| DEFAULT_REGION.to_owned()), endpoint, credentials }
    }
}

/// The value of a key in a profile's section: `[NAME]`, or `[profile NAME]` as the second of the files has it.
fn value(text: &str, profile: &str, key: &str) -> Option<String> {
    let mut is_wanted = false;
    for line in text.lines() {
        // Lines that are set in belong to the key before.
        if line.starts_with(char::is_whitespace) {
            continue;
        }
        if let Some(name) = line.trim().strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            let name = name.trim();
            is_wanted = name.strip_prefix("profile ").map_or(name, str::trim) == profile;
        } else if is_wanted
            && let Some((name, value)) = line.split_once('=')
            && name.trim() == key
            && !value.trim().is_empty()
        {
            return Some(value.trim().to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "# mine\n[default]\naws_access_key_id = FILEKEY\naws_secret_access_key = FILESECRET\n\
                               s3 =\n  region = wrong\n\n[cern]\naws_access_key_id=CERNKEY\naws_secret_access_key=CERNSECRET\n";
    const CONFIG: &str = "[default]\nregion = eu-west-1\n[profile cern]\nendpoint_url = https://s3.cern.ch\n";

    fn settings(vars: &[(&str, &str)]) -> Settings {
        let var =
            |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Settings::new(&var, &|path| match path.to_str() {
            Some("/home/me/.aws/credentials") => Some(CREDENTIALS.to_owned()),
            Some("/home/me/.aws/config") => Some(CONFIG.to_owned()),
            _ => None,
        })
    }

    #[test]
    fn the_environment_goes_before_the_files() {
        let home = ("HOME", "/home/me");
        type Row<'a> =
            (&'a str, &'a [(&'a str, &'a str)], Option<(&'a str, Option<&'a str>)>, &'a str, Option<&'a str>);
        let rows: [Row<'_>; 6] = [
            ("nothing", &[], None, "us-east-1", None),
            ("the files", &[home], Some(("FILEKEY", None)), "eu-west-1", None),
            (
                "a profile",
                &[home, ("AWS_PROFILE", "cern")],
                Some(("CERNKEY", None)),
                "us-east-1",
                Some("https://s3.cern.ch"),
            ),
            ("no such profile", &[home, ("AWS_PROFILE", "none")], None, "us-east-1", None),
            (
                "variables",
                &[
                    home,
                    ("AWS_ACCESS_KEY_ID", "KEY"),
                    ("AWS_SECRET_ACCESS_KEY", "SECRET"),
                    ("AWS_SESSION_TOKEN", "TOKEN"),
                    ("AWS_REGION", "us-west-2"),
                    ("AWS_ENDPOINT_URL", "http://localhost:1"),
                ],
                Some(("KEY", Some("TOKEN"))),
                "us-west-2",
                Some("http://localhost:1"),
            ),
            (
                "half of the credentials",
                &[("AWS_ACCESS_KEY_ID", "KEY"), ("AWS_DEFAULT_REGION", "x")],
                None,
                "x",
                None,
            ),
        ];
        for (what, vars, credentials, region, endpoint) in rows {
            let found = settings(vars);
            let got = found.credentials.as_ref().map(|c| (c.key(), c.token()));
            assert_eq!(got, credentials, "{what}");
            assert_eq!((found.region.as_str(), found.endpoint.as_deref()), (region, endpoint), "{what}");
        }
    }

    #[test]
    fn addresses() {
        let with_endpoint: &[(&str, &str)] = &[("AWS_ENDPOINT_URL", "http://localhost:5555")];
        for (url, vars, expected) in [
            ("s3://b/dir/x.root", [].as_slice(), Ok("https://b.s3.us-east-1.amazonaws.com/dir/x.root")),
            ("s3://b.org/x y.root", &[], Ok("https://s3.us-east-1.amazonaws.com/b.org/x%20y.root")),
            ("s3://b/x.root", with_endpoint, Ok("http://localhost:5555/b/x.root")),
            ("s3://b/x?versionId=3", &[], Err("without a query")),
            ("s3://b/", &[], Err("is s3://BUCKET/KEY")),
            ("s3:///x", &[], Err("is s3://BUCKET/KEY")),
            ("s3://b/../c/x", &[], Err("has no address")),
            ("s3://b/x", &[("AWS_ENDPOINT_URL", "localhost")], Err("endpoint localhost cannot be used")),
        ] {
            let object = Object::new(&Url::parse(url).expect("it is an address"), &settings(vars));
            match (object, expected) {
                (Ok(object), Ok(expected)) => assert_eq!(object.address(), expected, "{url}"),
                (Err(fault), Err(expected)) => {
                    assert!(fault.reason.contains(expected), "{url}: {}", fault.reason);
                }
                (found, _) => panic!("{url}: {:?}", found.map(|object| object.address())),
            }
        }
    }

    #[test]
    fn what_is_signed_has_the_key_and_the_token_but_not_the_secret() {
        let vars = [
            ("AWS_ACCESS_KEY_ID", "KEY"),
            ("AWS_SECRET_ACCESS_KEY", "SECRET"),
            ("AWS_SESSION_TOKEN", "TOKEN"),
        ];
        let url = Url::parse("s3://b/x.root").expect("it is an address");
        let address = Object::new(&url, &settings(&vars)).expect("it can be asked for").address();
        for part in ["X-Amz-Credential=KEY", "X-Amz-Security-Token=TOKEN", "X-Amz-Signature="] {
            assert!(address.contains(part), "{part}: {address}");
        }
        assert!(!address.contains("SECRET"), "{address}");
    }
}
