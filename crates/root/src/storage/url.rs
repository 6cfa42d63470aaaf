//! Addresses: `scheme://[user[:password]@]host[:port]/path[?query]`.

use std::path::Path;

/// An address, taken apart as far as all kinds of servers agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    text: String,
    scheme: String,
    user: String,
    host: String,
    port: Option<u16>,
    path: String,
    query: String,
}

impl Url {
    /// The address that a path is, if it is one: a path of this machine has no `://` after a word.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        Self::parse(path.to_str()?)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        if scheme.is_empty()
            || !scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            || !scheme.chars().all(word)
        {
            return None;
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (user, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (host, port) = split_port(place);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        Some(Self {
            text: text.to_owned(),
            scheme: scheme.to_ascii_lowercase(),
            user: user.split(':').next().unwrap_or_default().to_owned(),
            host: host.to_owned(),
            port,
            path: path.to_owned(),
            query: query.to_owned(),
        })
    }

    /// As it was given.
    #[cfg(feature = "http")]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The host, or the bucket of an `s3://` address; an IPv6 address without its brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    #[cfg(feature = "xrootd")]
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    #[cfg(feature = "xrootd")]
    pub(crate) fn port(&self) -> Option<u16> {
        self.port
    }

    /// The path with its first slash; empty where there is none.
    #[cfg(any(feature = "xrootd", feature = "s3"))]
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    #[cfg(any(feature = "xrootd", feature = "s3"))]
    pub(crate) fn query(&self) -> &str {
        &self.query
    }

    /// For messages: a password, or the signature or token that a query often is, is no one else's business.
    pub(crate) fn shown(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let query = if self.query.is_empty() { "" } else { "?..." };
        format!("{}://{host}{port}{}{query}", self.scheme, self.path)
    }
}

/// A host and its port, where one is given. The brackets of an IPv6 address are taken off.
pub(crate) fn split_port(text: &str) -> (&str, Option<u16>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        return (host, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (text, None),
        },
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (text, host, port, path, query, shown) in [
            ("https://a.org/x.root", "a.org", None, "/x.root", "", "https://a.org/x.root"),
            ("HTTP://me:secret@a.org:80/x?k=v", "a.org", Some(80), "/x", "k=v", "http://a.org:80/x?..."),
            ("root://eos.org//eos/x.root", "eos.org", None, "//eos/x.root", "", "root://eos.org//eos/x.root"),
            ("root://[::1]:1095//x", "::1", Some(1095), "//x", "", "root://[::1]:1095//x"),
            ("s3://bucket/dir/key", "bucket", None, "/dir/key", "", "s3://bucket/dir/key"),
            ("s3://bucket?a/b", "bucket", None, "", "a/b", "s3://bucket?..."),
            ("x://a:b/c", "a:b", None, "/c", "", "x://[a:b]/c"),
        ] {
            let url = Url::parse(text).expect("it is an address");
            assert_eq!((url.host.as_str(), url.port), (host, port), "{text}");
            assert_eq!((url.path.as_str(), url.query.as_str()), (path, query), "{text}");
            assert_eq!(url.shown(), shown, "{text}");
        }
        for text in
            ["", "x.root", "/data/x.root", "dir://", "C:\\x.root", "://x", "a b://x", "./a://b", "1x://b"]
        {
            assert_eq!(Url::parse(text).is_some(), text == "dir://", "{text}");
        }
    }
}
