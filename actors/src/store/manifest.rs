//! The two kinds of files that say what is stored: a manifest lists the texts of a version by digest, and a pointer names a manifest.
//!
//! Both begin with a line of text that has the format number and a digest, so a file that was half written, damaged or written by a newer
//! program is recognized before anything of it is used.

use serde::{Deserialize, Serialize};

use super::version::{StoredBody, StoredClass, StoredHold, StoredLanguage, StoredText, StoredVersion};
use crate::cause::Cause;
use crate::protocol::kept::VersionOrigin;
use crate::template::{Digest, Missing, TemplateName};
use crate::version::Version;

/// The format that this program reads and writes.
pub(crate) const FORMAT: u32 = 1;

/// The content of a pointer: the number of a manifest, and the digest of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pointer {
    pub(crate) number: u64,
    pub(crate) manifest: Digest,
}

impl Pointer {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let body = format!("{} {:#}", self.number, self.manifest);
        let check = Digest::of(body.as_bytes());
        format!("hotplate pointer {FORMAT}\n{body}\n{check:#}\n").into_bytes()
    }

    /// Reads a pointer.
    ///
    /// # Errors
    /// The damage, in a few words.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
        let body = after_head(text, "pointer")?;
        let mut lines = body.split('\n');
        let (line, check) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let is_whole = lines.next() == Some("") && lines.next().is_none();
        if !is_whole || parse_digest(check) != Some(Digest::of(line.as_bytes())) {
            return Err("it is damaged or half written".into());
        }
        let parsed = line.split_once(' ').and_then(|(number, digest)| {
            Some(Self {
                number: number.parse().ok()?,
                manifest: parse_digest(digest)?,
            })
        });
        parsed.ok_or_else(|| "it names no manifest".into())
    }
}

/// A manifest as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    version: u64,
    digest: String,
    loaders: Vec<Vec<Text>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stale: Vec<Class>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    held: Vec<Held>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made: Option<Made>,
}

/// The part of a manifest that a list of versions shows.
#[derive(Deserialize)]
struct Head {
    digest: String,
    #[serde(default)]
    made: Option<Made>,
}

/// The time and the cause of a version.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Made {
    at_ms: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    roll_back: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

/// A held template: the text in its place, if there is one, and the rollback.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    served: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rejected: Option<String>,
    since: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

/// A name, with the digest and language of its text or the reason why it could not be read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dialect: Option<String>,
    #[serde(default, skip_serializing_if = "is_strict")]
    missing: Missing,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Class {
    since: u64,
    templates: Vec<String>,
    members: Vec<Text>,
}

/// Returns the manifest of a version, with the digest that a pointer to it has. The version must be sorted.
pub(crate) fn to_bytes(version: &StoredVersion) -> Result<(Vec<u8>, Digest), serde_json::Error> {
    let texts = |texts: &[StoredText]| texts.iter().map(Text::of).collect::<Vec<Text>>();
    let body = Body {
        version: version.version.number(),
        digest: version.digest.clone(),
        loaders: version.loaders.iter().map(|loader| texts(loader)).collect(),
        stale: version
            .stale
            .iter()
            .map(|class| Class {
                since: class.since.number(),
                templates: class.templates.iter().map(ToString::to_string).collect(),
                members: texts(&class.members),
            })
            .collect(),
        held: version.held.iter().map(Held::of).collect(),
        made: version.origin.as_ref().map(Made::of),
    };
    let mut json = serde_json::to_vec(&body)?;
    json.push(b'\n');
    let digest = Digest::of(&json);
    let mut bytes = format!("hotplate manifest {FORMAT}\n{digest:#}\n").into_bytes();
    bytes.extend_from_slice(&json);
    Ok((bytes, digest))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_strict(missing: &Missing) -> bool {
    *missing == Missing::Error
}

/// Reads the part of a manifest that a list of versions shows: the digest, the time and the cause of the version.
///
/// # Errors
/// The damage, in a few words.
pub(crate) fn head(bytes: &[u8]) -> Result<(String, Option<VersionOrigin>), String> {
    let (json, _) = checked(bytes)?;
    let head: Head = serde_json::from_str(json).map_err(unreadable)?;
    Ok((head.digest, head.made.map(Made::origin)))
}

/// Returns the JSON of a manifest, which has its digest.
fn checked(bytes: &[u8]) -> Result<(&str, Digest), String> {
    let whole = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
    let rest = after_head(whole, "manifest")?;
    let (line, json) = rest.split_once('\n').ok_or("it is half written")?;
    let digest = parse_digest(line).filter(|digest| *digest == Digest::of(json.as_bytes()));
    Ok((json, digest.ok_or("it is damaged or half written")?))
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that `map_err` asks for")]
fn unreadable(error: serde_json::Error) -> String {
    format!("it cannot be read: {error}")
}

/// Reads a manifest. `text` returns the text with a digest, in a language.
///
/// # Errors
/// The damage in a few words, also that of a text.
pub(crate) fn parse<T>(bytes: &[u8], mut text: T) -> Result<(StoredVersion, Digest), String>
where
    T: FnMut(&TemplateName, Digest, StoredLanguage) -> Result<StoredBody, String>,
{
    let (json, digest) = checked(bytes)?;
    let body: Body = serde_json::from_str(json).map_err(unreadable)?;
    let name = |name: &str| TemplateName::new(name).map_err(|error| error.to_string());
    let mut body_of = |each: &Text, name: &TemplateName| -> Result<Option<StoredBody>, String> {
        match (each.text.as_deref().and_then(parse_digest), &each.unreadable) {
            (Some(digest), _) => text(name, digest, each.language(name)?).map(Some),
            (None, Some(reason)) => Ok(Some(StoredBody::Unreadable(reason.clone()))),
            (None, None) => Ok(None),
        }
    };
    let held = body.held.into_iter().map(|held| {
        let name = name(&held.served.name)?;
        Ok(StoredHold {
            served: body_of(&held.served, &name)?,
            name,
            rejected: held.rejected.as_deref().and_then(parse_digest),
            since: Version::from_number(held.since),
            cause: cause(held.by, held.reason, held.trace),
        })
    });
    let held = held.collect::<Result<_, String>>()?;
    let mut texts = |texts: Vec<Text>| -> Result<Vec<StoredText>, String> {
        let parsed = texts.into_iter().map(|each| {
            let name = name(&each.name)?;
            let body = body_of(&each, &name)?.ok_or_else(|| format!("it has no text of `{name}`"))?;
            Ok(StoredText { name, body })
        });
        parsed.collect()
    };
    let loaders = body.loaders.into_iter().map(&mut texts).collect::<Result<_, _>>()?;
    let classes = body.stale.into_iter().map(|class| {
        Ok(StoredClass {
            since: Version::from_number(class.since),
            templates: class
                .templates
                .iter()
                .map(|each| name(each))
                .collect::<Result<_, _>>()?,
            members: texts(class.members)?,
        })
    });
    let stale = classes.collect::<Result<_, String>>()?;
    let version = StoredVersion {
        version: Version::from_number(body.version),
        digest: body.digest,
        loaders,
        stale,
        held,
        origin: body.made.map(Made::origin),
    };
    Ok((version, digest))
}

impl Text {
    fn of(text: &StoredText) -> Self {
        Self::new(&text.name, Some(&text.body))
    }

    fn new(name: &TemplateName, body: Option<&StoredBody>) -> Self {
        let (text, language, unreadable) = match body {
            Some(StoredBody::Text(digest, _, language)) => (Some(format!("{digest:#}")), Some(language), None),
            Some(StoredBody::Unreadable(reason)) => (None, None, Some(reason.clone())),
            None => (None, None, None),
        };
        Self {
            name: name.to_string(),
            text,
            dialect: language.map(|language| language.dialect.to_string()),
            missing: language.map(|language| language.missing).unwrap_or_default(),
            root: language.and_then(|language| language.root.as_deref().map(str::to_owned)),
            unreadable,
        }
    }

    /// Returns the language of the text.
    fn language(&self, name: &TemplateName) -> Result<StoredLanguage, String> {
        let dialect = self.dialect.as_deref();
        Ok(StoredLanguage {
            dialect: dialect.ok_or_else(|| format!("it has no dialect of `{name}`"))?.into(),
            missing: self.missing,
            root: self.root.as_deref().map(Into::into),
        })
    }
}

impl Made {
    fn of(origin: &VersionOrigin) -> Self {
        let VersionOrigin {
            at_ms,
            cause,
            is_roll_back,
        } = origin;
        Self {
            at_ms: *at_ms,
            roll_back: *is_roll_back,
            by: cause.name().map(str::to_owned),
            reason: cause.why().map(str::to_owned),
            trace: cause.trace_id().map(str::to_owned),
        }
    }

    fn origin(self) -> VersionOrigin {
        let cause = cause(self.by, self.reason, self.trace);
        VersionOrigin::new(self.at_ms, cause, self.roll_back)
    }
}

fn cause(by: Option<String>, reason: Option<String>, trace: Option<String>) -> Cause {
    Cause::by(&by.unwrap_or_default())
        .reason(&reason.unwrap_or_default())
        .trace(&trace.unwrap_or_default())
}

impl Held {
    fn of(held: &StoredHold) -> Self {
        Self {
            served: Text::new(&held.name, held.served.as_ref()),
            rejected: held.rejected.map(|digest| format!("{digest:#}")),
            since: held.since.number(),
            by: held.cause.name().map(str::to_owned),
            reason: held.cause.why().map(str::to_owned),
            trace: held.cause.trace_id().map(str::to_owned),
        }
    }
}

/// Returns the text behind the line that begins each file of the store.
pub(crate) fn after_head<'t>(text: &'t str, kind: &str) -> Result<&'t str, String> {
    let (head, rest) = text.split_once('\n').ok_or("it is half written")?;
    let format = head.strip_prefix("hotplate ").and_then(|head| head.strip_prefix(kind));
    let format: u32 = format
        .and_then(|format| format.trim_start().parse().ok())
        .ok_or_else(|| format!("it is no {kind} of hotplate"))?;
    match format == FORMAT {
        true => Ok(rest),
        false => Err(format!(
            "it has the format {format}, and this program reads format {FORMAT}: use the program that wrote it, or another directory"
        )),
    }
}

/// Returns the digest that 64 hexadecimal digits stand for.
pub(crate) fn parse_digest(text: &str) -> Option<Digest> {
    let digits = text.as_bytes();
    if digits.len() != 64 || digits.iter().any(|digit| !matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(Digest::from_bytes(bytes))
}
