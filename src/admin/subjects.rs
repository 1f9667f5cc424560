//! [`Subject`]: a person or program with a token of its own, and what it may do for which tenants. Everything else is denied.
//!
//! Everything here is pure: [`needed`](super::needs::needed) says what a request needs, and [`Caller::may`] decides.

use std::sync::Arc;

use hotplate_actors::template::Tenant;

/// The number of subjects of a listener at most. Each request compares its token with all of them.
pub const SUBJECTS_MAX: usize = 256;
/// The longest name of a subject, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The tenants of one subject that are listed at most.
const TENANTS_MAX: usize = 1_000;
/// The name that stands for the pages of everyone in a list of tenants.
const SHARED: &str = "shared";

/// Something that a subject may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Permission {
    /// Render pages and previews.
    Render,
    /// Read what is served: templates, versions, health, events, metrics.
    Read,
    /// Reload, roll back and resume.
    Publish,
    /// Widen, promote and abort canaries.
    Promote,
    /// Everything else, such as restarting actors and the filter of the log.
    Admin,
}

impl Permission {
    const ALL: [Self; 5] = [Self::Render, Self::Read, Self::Publish, Self::Promote, Self::Admin];

    /// Returns the name in settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Render => "render",
            Self::Read => "read",
            Self::Publish => "publish",
            Self::Promote => "promote",
            Self::Admin => "admin",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The tenants that a request concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent<'r> {
    /// The pages of everyone.
    Shared,
    /// One tenant, which may not exist.
    Tenant(&'r str),
    /// All tenants, and the pages of everyone.
    Everything,
}

/// The tenants for which a subject may do something.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tenants {
    All,
    Some { is_shared: bool, tenants: Vec<Tenant> },
}

impl Tenants {
    fn have(&self, extent: Extent<'_>) -> bool {
        match (self, extent) {
            (Self::All, _) => true,
            (Self::Some { is_shared, .. }, Extent::Shared) => *is_shared,
            (Self::Some { tenants, .. }, Extent::Tenant(id)) => tenants.iter().any(|tenant| tenant.as_str() == id),
            (Self::Some { .. }, Extent::Everything) => false,
        }
    }
}

/// A person or program with a token of its own.
///
/// ```
/// use hotplate::admin::{Subject, token_hash};
///
/// let token = "hp_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// let entry = format!("name = ci; token_hash = {}; tenants = acme, shared; may = read, publish", token_hash(token));
/// assert!(Subject::parse(&entry).is_ok());
/// assert!(Subject::parse("name = ci").unwrap_err().to_string().contains("`token_hash`"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    name: Arc<str>,
    token: blake3::Hash,
    tenants: Tenants,
    may: u8,
}

/// The error for an entry that describes no subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}: {help}")]
#[non_exhaustive]
pub struct SubjectError {
    /// The problem.
    pub problem: String,
    /// The text to write instead.
    pub help: String,
}

impl SubjectError {
    fn new(problem: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            help: help.into(),
        }
    }
}

/// Returns the hash of a token, as `token_hash` has it: BLAKE3, in hexadecimal. A token of `hotplate token` has 256 random bits, so nobody can
/// find it by its hash, and a slow hash would only delay each request.
#[must_use]
pub fn token_hash(token: &str) -> String {
    blake3::hash(token.as_bytes()).to_hex().to_string()
}

/// Returns a new token that nobody can guess.
///
/// # Errors
/// The system provides no random numbers.
pub fn new_token() -> std::io::Result<String> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
    Ok(format!("hp_{}", blake3::Hash::from_bytes(random).to_hex()))
}

impl Subject {
    /// Reads an entry such as `name = ci; token_hash = …; tenants = *; may = read, publish`.
    ///
    /// # Errors
    /// [`SubjectError`] says what is wrong and what to write.
    pub fn parse(entry: &str) -> Result<Self, SubjectError> {
        let (mut name, mut hash, mut tenants, mut may) = (None, None, None, None);
        for pair in entry.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair
                .split_once('=')
                .map_or((pair, ""), |(key, value)| (key.trim(), value.trim()));
            let field = match key {
                "name" => &mut name,
                "token_hash" => &mut hash,
                "tenants" => &mut tenants,
                "may" => &mut may,
                // The entry may have a token by mistake, so nothing else of it is shown.
                _ => {
                    let known: String = key.chars().take(40).collect();
                    let problem = format!("a subject has no `{}`", known.escape_debug());
                    return Err(SubjectError::new(
                        problem,
                        "write `name`, `token_hash`, `tenants` and `may`",
                    ));
                }
            };
            if field.replace(value).is_some() {
                return Err(SubjectError::new(
                    format!("a subject has `{key}` twice"),
                    "remove one of them, and keep `;` out of its values",
                ));
            }
        }
        let of = |field: &str, value: Option<&str>| {
            let value = value.filter(|value| !value.is_empty()).map(str::to_owned);
            value.ok_or_else(|| {
                let help = "write for example name = \"ci\", token_hash = \"…\" (of `hotplate token`), tenants = [\"*\"], may = [\"read\"]";
                SubjectError::new(format!("a subject has no `{field}`"), help)
            })
        };
        let name = of("name", name)?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
        if name.len() > NAME_BYTES_MAX || !name.bytes().all(is_name) {
            let problem = format!("`{}` cannot be the name of a subject", shortened(&name));
            return Err(SubjectError::new(
                problem,
                "write 1 to 64 ASCII letters, digits, `-`, `_`, `.` and `@`",
            ));
        }
        let hash = of("token_hash", hash)?;
        let token = blake3::Hash::from_hex(&hash).map_err(|_| {
            // It may be the token itself.
            let problem = format!("the `token_hash` of `{name}` is no hash");
            SubjectError::new(
                problem,
                "write the 64 hexadecimal digits that `hotplate token` prints, not the token",
            )
        })?;
        Ok(Self {
            tenants: tenants_of(&name, &of("tenants", tenants)?)?,
            may: permissions_of(&name, &of("may", may)?)?,
            name: name.into(),
            token,
        })
    }

    /// Reads a list of entries, in which no name and no token occurs twice.
    ///
    /// # Errors
    /// [`SubjectError`] says what is wrong and what to write.
    pub fn parse_all(entries: &[String]) -> Result<Vec<Self>, SubjectError> {
        if entries.len() > SUBJECTS_MAX {
            let problem = format!("there are {} subjects, and {SUBJECTS_MAX} are the most", entries.len());
            return Err(SubjectError::new(problem, "let several programs share a subject"));
        }
        let subjects: Vec<Self> = entries
            .iter()
            .map(|entry| Self::parse(entry))
            .collect::<Result<_, _>>()?;
        for (number, subject) in subjects.iter().enumerate() {
            let others = &subjects[..number];
            if others.iter().any(|other| other.name == subject.name) {
                let problem = format!("two subjects have the name `{}`", subject.name);
                return Err(SubjectError::new(problem, "give each a name of its own"));
            }
            if let Some(other) = others.iter().find(|other| other.token == subject.token) {
                let problem = format!("`{}` and `{}` have the same token", other.name, subject.name);
                return Err(SubjectError::new(
                    problem,
                    "make a token for each with `hotplate token`",
                ));
            }
        }
        Ok(subjects)
    }
}

fn shortened(text: &str) -> String {
    let start: String = text.chars().take(40).collect();
    start.escape_debug().to_string()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn tenants_of(name: &str, text: &str) -> Result<Tenants, SubjectError> {
    let (mut is_shared, mut tenants) = (false, Vec::new());
    for word in words(text) {
        match word {
            "*" => return Ok(Tenants::All),
            SHARED => is_shared = true,
            id => tenants.push(Tenant::new(id).map_err(|error| {
                SubjectError::new(
                    format!("`tenants` of `{name}`: {error}"),
                    "write ids of tenants, \"shared\" for the pages of everyone, or \"*\" for all",
                )
            })?),
        }
    }
    if tenants.len() > TENANTS_MAX {
        let problem = format!("`{name}` has {} tenants, and {TENANTS_MAX} are the most", tenants.len());
        return Err(SubjectError::new(problem, "write \"*\", or make several subjects"));
    }
    Ok(Tenants::Some { is_shared, tenants })
}

fn permissions_of(name: &str, text: &str) -> Result<u8, SubjectError> {
    words(text).try_fold(0, |may, word| {
        let known = Permission::ALL.into_iter().find(|known| known.as_str() == word);
        known.map(|known| may | known.bit()).ok_or_else(|| {
            let problem = format!("`{name}` may `{}`, which is no permission", shortened(word));
            SubjectError::new(problem, "write some of render, read, publish, promote and admin")
        })
    })
}

/// The sender of a request that was admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller(Option<Arc<Subject>>);

impl Caller {
    /// The holder of the token of the listener, or anybody where the listener needs none: may do everything.
    pub(super) const EVERYTHING: Self = Self(None);

    pub(super) fn of(subject: &Arc<Subject>) -> Self {
        Self(Some(Arc::clone(subject)))
    }

    /// Returns the name, if the caller is a subject.
    pub(super) fn name(&self) -> Option<&str> {
        self.0.as_ref().map(|subject| &*subject.name)
    }

    /// Decides if the caller may do something. `admin` includes every other permission.
    pub(super) fn may(&self, permission: Permission, extent: Extent<'_>) -> bool {
        match &self.0 {
            None => true,
            Some(subject) => {
                let may = subject.may & (permission.bit() | Permission::Admin.bit()) != 0;
                may && subject.tenants.have(extent)
            }
        }
    }
}

/// Returns the subject with a token. Each hash is compared in constant time, and all of them are, so the time tells neither how much of a
/// token is right nor whose it is.
pub(super) fn holder<'s>(subjects: &'s [Arc<Subject>], token: &str) -> Option<&'s Arc<Subject>> {
    let sent = blake3::hash(token.as_bytes());
    subjects
        .iter()
        .fold(None, |found, subject| match subject.token == sent {
            true => Some(subject),
            false => found,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(token: &str, tenants: &str, may: &str) -> Result<Subject, SubjectError> {
        let name = format!("s-{token}");
        Subject::parse(&format!(
            "name = {name}; token_hash = {}; tenants = {tenants}; may = {may}",
            token_hash(token)
        ))
    }

    fn caller(tenants: &str, may: &str) -> Caller {
        Caller::of(&Arc::new(subject("t", tenants, may).expect("valid")))
    }

    #[test]
    fn a_subject_may_do_what_is_listed_and_nothing_else() {
        let extents = [
            Extent::Shared,
            Extent::Tenant("acme"),
            Extent::Tenant("globex"),
            Extent::Everything,
        ];
        let table = |caller: &Caller| {
            Permission::ALL.map(|permission| extents.map(|extent| u8::from(caller.may(permission, extent))))
        };
        let (none, acme, all) = ([0; 4], [0, 1, 0, 0], [1; 4]);
        for (caller, expected) in [
            (Caller::EVERYTHING, [all; 5]),
            (caller("*", "read"), [none, all, none, none, none]),
            (caller("acme", "render, publish"), [acme, none, acme, none, none]),
            (
                caller("acme, shared", "promote"),
                [none, none, none, [1, 1, 0, 0], none],
            ),
            (caller("acme", "admin"), [acme; 5]),
            (caller("*", "admin"), [all; 5]),
        ] {
            assert_eq!(table(&caller), expected, "{caller:?}");
        }
    }

    #[test]
    fn entries_that_are_wrong_are_refused_without_showing_a_token() {
        let hash = token_hash("t");
        let good = format!("name = ci; token_hash = {hash}; tenants = *; may = read");
        assert!(Subject::parse(&good).is_ok());
        let secret = "hp_secret";
        for (entry, part) in [
            (String::new(), "no `name`"),
            (good.replace("name = ci", "name = "), "no `name`"),
            (good.replace("name = ci", "name = a b"), "cannot be the name"),
            (
                good.replace("name = ci", &format!("name = {}", "x".repeat(65))),
                "cannot be the name",
            ),
            (good.replace(&hash, secret), "no hash"),
            (
                good.replace("token_hash = ", "token = hp_secret; x = "),
                "has no `token`",
            ),
            (good.replace("tenants = *", "tenants = Acme"), "`tenants` of `ci`"),
            (good.replace("; tenants = *", ""), "no `tenants`"),
            (good.replace("may = read", "may = write"), "no permission"),
            (good.replace("may = read", "may = "), "no `may`"),
            (format!("{good}; may = admin"), "twice"),
        ] {
            let error = Subject::parse(&entry).expect_err(part).to_string();
            assert!(error.contains(part), "{error}");
            assert!(!error.contains(secret), "{error}");
        }
        let twice = |second: String| Subject::parse_all(&[good.clone(), second]).expect_err("twice").problem;
        assert!(twice(good.replace(&hash, &token_hash("u"))).contains("the name `ci`"));
        assert!(twice(good.replace("= ci", "= other")).contains("the same token"));
        let many = |count: usize| {
            let entry = |number| {
                good.replace("= ci", &format!("= s{number}"))
                    .replace(&hash, &token_hash(&format!("{number}")))
            };
            Subject::parse_all(&(0..count).map(entry).collect::<Vec<_>>()).is_ok()
        };
        assert!(many(SUBJECTS_MAX) && !many(SUBJECTS_MAX + 1));
    }

    #[test]
    fn tokens_are_compared_whole() {
        let subjects: Vec<Arc<Subject>> = ["a", "b"]
            .iter()
            .map(|token| Arc::new(subject(token, "*", "read").expect("valid")))
            .collect();
        let name = |token| holder(&subjects, token).map(|subject| subject.name.to_string());
        assert_eq!([name("a"), name("b")], [Some("s-a".into()), Some("s-b".into())]);
        for wrong in ["", "c", "ab", "A", &token_hash("a")] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
        let (one, other) = (new_token().expect("randomness"), new_token().expect("randomness"));
        assert!(one != other && one.len() == 67 && one.starts_with("hp_"));
    }
}
