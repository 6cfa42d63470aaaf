//! Checksums, as catalogues publish them.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::FetchError;

/// How a checksum is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5: guards against accidents, not against an attacker; many catalogues have nothing else.
    Md5,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// `md5` or `sha256`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha256 => "sha256",
        }
    }

    fn digits(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 => 64,
        }
    }
}

/// A checksum, written as `md5:DIGITS` or `sha256:DIGITS`.
///
/// ```
/// use fiducial_data::fetch::Checksum;
///
/// let checksum: Checksum = "md5:4FCA2E47AFBF321B0F201DA6B804C404".parse()?;
/// assert_eq!(checksum.to_string(), "md5:4fca2e47afbf321b0f201da6b804c404");
/// assert!("md5:4fca".parse::<Checksum>().is_err());
/// # Ok::<(), fiducial_data::fetch::FetchError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Checksum {
    algorithm: Algorithm,
    digits: String,
}

impl Checksum {
    /// How it is computed.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its lowercase hexadecimal digits.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// The checksum of a file, by an algorithm.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of_file(algorithm: Algorithm, path: &Path) -> Result<Self, FetchError> {
        let mut file = File::open(path).map_err(FetchError::io("open", path))?;
        let digits = match algorithm {
            Algorithm::Md5 => digits_of::<Md5>(&mut file),
            Algorithm::Sha256 => digits_of::<Sha256>(&mut file),
        };
        Ok(Self { algorithm, digits: digits.map_err(FetchError::io("read", path))? })
    }
}

fn digits_of<D: Digest>(file: &mut File) -> std::io::Result<String> {
    let mut hash = D::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    Ok(hash.finalize().iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    }))
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.digits)
    }
}

impl FromStr for Checksum {
    type Err = FetchError;

    fn from_str(text: &str) -> Result<Self, FetchError> {
        let refuse = |reason: &str| Err(FetchError::setting(text, reason));
        let Some((name, digits)) = text.split_once(':') else {
            return refuse("a checksum is written `md5:DIGITS` or `sha256:DIGITS`");
        };
        let algorithm = match name {
            "md5" => Algorithm::Md5,
            "sha256" => Algorithm::Sha256,
            _ => return refuse("known checksums are md5 and sha256"),
        };
        if digits.len() != algorithm.digits() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let reason = format!("{name} has {} hexadecimal digits", algorithm.digits());
            return refuse(&reason);
        }
        Ok(Self { algorithm, digits: digits.to_ascii_lowercase() })
    }
}

impl TryFrom<String> for Checksum {
    type Error = FetchError;

    fn try_from(text: String) -> Result<Self, FetchError> {
        text.parse()
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> Self {
        checksum.to_string()
    }
}
