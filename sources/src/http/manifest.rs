//! [`Manifest`]: the names and digests of templates. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The most templates of a manifest.
const TEMPLATES_MAX: usize = 1_000_000;

/// The names and digests of templates.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    /// The version in the words of whoever has made it.
    #[serde(default)]
    pub(super) version: Option<String>,
    pub(super) templates: BTreeMap<String, ManifestEntry>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ManifestEntry {
    /// The digest of the file, in hexadecimal digits.
    pub(super) sha256: String,
    /// The path of the file below the directory of the manifest; by default the name.
    #[serde(default)]
    pub(super) path: Option<String>,
}

impl Manifest {
    /// Parses a manifest, and checks its digests and paths.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut manifest: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if manifest.templates.len() > TEMPLATES_MAX {
            return Err(format!("it has more than {TEMPLATES_MAX} templates"));
        }
        for (name, entry) in &mut manifest.templates {
            let is_digest = entry.sha256.len() == 64 && entry.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !is_digest {
                return Err(format!("the digest of `{name}` has not 64 hexadecimal digits"));
            }
            entry.sha256.make_ascii_lowercase();
            let path = entry.path.as_deref().unwrap_or_default();
            let leaves = path.starts_with('/') || path.split('/').any(|component| matches!(component, "." | ".."));
            if leaves {
                return Err(format!(
                    "the path of `{name}` leads out of the directory of the manifest"
                ));
            }
        }
        Ok(manifest)
    }
}

impl ManifestEntry {
    /// Returns true if the digest is that of these bytes.
    pub(super) fn is_digest_of(&self, bytes: &[u8]) -> bool {
        let digest = Sha256::digest(bytes);
        let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits = digits.filter_map(|digit| char::from_digit(u32::from(digit), 16));
        digits.eq(self.sha256.chars())
    }
}

/// Returns the URL of a path below the directory of a manifest.
pub(super) fn url_of(manifest: &str, path: &str) -> String {
    let without_query = manifest.split(['?', '#']).next().unwrap_or_default();
    let directory = without_query
        .rsplit_once('/')
        .map_or(without_query, |(directory, _)| directory);
    let mut url = format!("{directory}/");
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' => url.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => url.push(char::from(byte)),
            byte => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_below_the_manifest() {
        let urls = [
            (
                "https://a/b/manifest.json?x=1",
                "c d/ä.html",
                "https://a/b/c%20d/%C3%A4.html",
            ),
            ("https://a/manifest.json", "c?d#e", "https://a/c%3Fd%23e"),
        ];
        for (manifest, path, url) in urls {
            assert_eq!(url_of(manifest, path), url);
        }
    }

    #[test]
    fn bad_manifests_are_named() {
        let digest = "0".repeat(64);
        for (text, reason) in [
            ("<html>".to_owned(), "expected value"),
            ("{}".to_owned(), "templates"),
            (r#"{"templates": {"a.html": {"sha256": "abc"}}}"#.to_owned(), "`a.html`"),
            (
                format!(r#"{{"templates": {{"a.html": {{"sha256": "{digest}", "path": "../x"}}}}}}"#),
                "leads out",
            ),
            (
                format!(r#"{{"templates": {{"a.html": {{"sha256": "{digest}", "path": "/x"}}}}}}"#),
                "leads out",
            ),
        ] {
            let error = Manifest::parse(text.as_bytes()).expect_err("invalid");
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn digests_are_those_of_sha256sum() {
        let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let text = format!(r#"{{"templates": {{"a": {{"sha256": "{}"}}}}}}"#, digest.to_uppercase());
        let manifest = Manifest::parse(text.as_bytes()).expect("valid");
        assert!(manifest.templates["a"].is_digest_of(b"test"));
        assert!(!manifest.templates["a"].is_digest_of(b"tes"));
    }
}
