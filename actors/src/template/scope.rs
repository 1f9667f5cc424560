//! [`TemplateKey`]: the name of a text and the [`Layer`] that it belongs to. A store keeps
//! those of shared stable only.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::{TemplateName, shorten};

/// The longest id of a tenant, in bytes.
pub const TENANT_BYTES_MAX: usize = 64;

/// The valid id of a tenant: a customer of the program that has texts of its own.
///
/// It has lower-case ASCII letters, digits, `-` and `_`, begins with a letter or digit, and has at most [`TENANT_BYTES_MAX`] bytes. So it is
/// the same as a part of a path, of a host name or of a header.
///
/// ```
/// use hotplate_actors::template::Tenant;
///
/// assert_eq!(Tenant::new("acme-2")?.as_str(), "acme-2");
/// assert!(Tenant::new("../acme").is_err());
/// # Ok::<(), hotplate_actors::template::TenantError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant(Arc<str>);

/// The error for a text that is not a valid id of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{id}` is not the id of a tenant: {reason}")]
pub struct TenantError {
    id: String,
    reason: &'static str,
}

impl Tenant {
    /// Checks a text and returns it as the id of a tenant.
    ///
    /// # Errors
    /// [`TenantError`] names the rule that the text breaks.
    pub fn new(id: &str) -> Result<Self, TenantError> {
        let is_plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = id.as_bytes();
        let reason = match bytes.first() {
            None => Some("it is empty"),
            _ if bytes.len() > TENANT_BYTES_MAX => Some("it is longer than 64 bytes"),
            Some(first) if !is_plain(first) => Some("it does not begin with a lower-case ASCII letter or a digit"),
            _ if !bytes.iter().all(|byte| is_plain(byte) || matches!(byte, b'-' | b'_')) => {
                Some("it has a character other than lower-case ASCII letters, digits, `-` and `_`")
            }
            _ => None,
        };
        match reason {
            None => Ok(Self(id.into())),
            Some(reason) => Err(TenantError {
                id: shorten(id),
                reason,
            }),
        }
    }

    /// Returns the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Tenant {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The stage of a text on its way to all visitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Stage {
    /// All visitors get it.
    #[default]
    Stable,
    /// A part of the visitors get it.
    Canary,
    /// Those who ask for it get it.
    Experimental,
}

impl Stage {
    /// All stages, the stable one first.
    pub const ALL: [Self; 3] = [Self::Stable, Self::Canary, Self::Experimental];

    /// Returns the stage with a name, if there is one.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == name)
    }

    /// Returns the number of the stage, which is its place in [`Stage::ALL`].
    #[must_use]
    pub(crate) fn number(self) -> usize {
        self as usize
    }

    /// Returns the name in paths and in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Canary => "canary",
            Self::Experimental => "experimental",
        }
    }
}

/// Those for whom a page is rendered: a tenant or everyone, and a stage. The default is the shared stable scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Scope {
    /// The tenant; none for everyone.
    pub tenant: Option<Tenant>,
    /// The stage.
    pub stage: Stage,
}

impl Scope {
    /// Returns true for the shared stable scope.
    #[inline]
    #[must_use]
    pub fn is_shared_stable(&self) -> bool {
        self.tenant.is_none() && self.stage == Stage::Stable
    }

    /// Returns the layers that the scope sees, in the order in which they are asked: of the tenant in the stage, of the tenant, of everyone in
    /// the stage, of everyone.
    ///
    /// ```
    /// use hotplate_actors::template::{Scope, Stage, Tenant};
    ///
    /// let scope = Scope { tenant: Some(Tenant::new("acme")?), stage: Stage::Canary };
    /// let layers: Vec<String> = scope.layers().iter().map(ToString::to_string).collect();
    /// assert_eq!(layers, ["tenant acme@canary", "tenant acme", "shared@canary", "shared"]);
    /// # Ok::<(), hotplate_actors::template::TenantError>(())
    /// ```
    #[must_use]
    pub fn layers(&self) -> Vec<Layer> {
        let tenants = [self.tenant.clone(), None]
            .into_iter()
            .skip(usize::from(self.tenant.is_none()));
        let stages = [self.stage, Stage::Stable];
        let stages = &stages[usize::from(self.stage == Stage::Stable)..];
        let layers = tenants.flat_map(|tenant| {
            stages.iter().map(move |stage| {
                Layer(Self {
                    tenant: tenant.clone(),
                    stage: *stage,
                })
            })
        });
        layers.collect()
    }
}

/// The texts that one scope adds to those that it shares with others. The default is that of the shared stable scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Layer(Scope);

impl Layer {
    /// The texts that everyone gets.
    pub const SHARED_STABLE: Self = Self(Scope {
        tenant: None,
        stage: Stage::Stable,
    });

    /// Returns the layer that this scope adds.
    #[must_use]
    pub fn of(scope: Scope) -> Self {
        Self(scope)
    }

    /// Returns the scope that adds this layer.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.0
    }
}

/// Writes `shared` or the tenant, and the stage unless it is the stable one: `shared@canary`, `tenant acme`.
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.tenant {
            None => f.write_str("shared")?,
            Some(tenant) => write!(f, "tenant {}", tenant.as_str())?,
        }
        match self.0.stage {
            Stage::Stable => Ok(()),
            stage => write!(f, "@{}", stage.as_str()),
        }
    }
}

/// Serializes as it is displayed.
impl Serialize for Layer {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The name of one text, as a loader delivers it: several layers may have a text of the same name.
///
/// A name alone converts into a key of the shared stable layer.
///
/// ```
/// use hotplate_actors::TemplateName;
/// use hotplate_actors::template::{Layer, TemplateKey};
///
/// let key = TemplateKey::from(TemplateName::new("index.html")?);
/// assert_eq!(key.layer, Layer::SHARED_STABLE);
/// assert_eq!(key.to_string(), "index.html");
/// # Ok::<(), hotplate_actors::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TemplateKey {
    /// The layer that the text belongs to.
    pub layer: Layer,
    /// The name of the template.
    pub name: TemplateName,
}

impl TemplateKey {
    /// Returns the name as text, whatever the layer.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.name.as_str()
    }
}

impl From<TemplateName> for TemplateKey {
    fn from(name: TemplateName) -> Self {
        Self {
            layer: Layer::SHARED_STABLE,
            name,
        }
    }
}

impl From<&TemplateName> for TemplateKey {
    fn from(name: &TemplateName) -> Self {
        name.clone().into()
    }
}

/// Compares with a name of the shared stable layer.
impl PartialEq<TemplateName> for TemplateKey {
    fn eq(&self, name: &TemplateName) -> bool {
        self.layer == Layer::SHARED_STABLE && self.name == *name
    }
}

/// Writes the name, and behind it the layer unless it is the shared stable one.
impl fmt::Display for TemplateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layer == Layer::SHARED_STABLE {
            true => self.name.fmt(f),
            false => write!(f, "{} ({})", self.name, self.layer),
        }
    }
}

/// Serializes as it is displayed.
impl Serialize for TemplateKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_tenants_are_rejected() {
        for good in ["a", "0", "acme", "a-b_c", &"x".repeat(TENANT_BYTES_MAX)] {
            assert!(Tenant::new(good).is_ok(), "{good}");
        }
        let long = "x".repeat(TENANT_BYTES_MAX + 1);
        for bad in [
            "", "-a", "_a", "A", "a.b", "a/b", "..", "a@canary", "a b", "ä", "a\0", &long,
        ] {
            let error = Tenant::new(bad).expect_err(bad).to_string();
            assert!(error.contains("is not the id of a tenant: it "), "{error}");
        }
    }

    #[test]
    fn keys_are_shown_with_other_layers_only() {
        let name = TemplateName::new("a.html").expect("valid");
        let acme = Tenant::new("acme").expect("valid");
        let cases = [
            (None, Stage::Stable, "a.html"),
            (None, Stage::Canary, "a.html (shared@canary)"),
            (Some(acme.clone()), Stage::Stable, "a.html (tenant acme)"),
            (Some(acme), Stage::Experimental, "a.html (tenant acme@experimental)"),
        ];
        for (tenant, stage, shown) in cases {
            let key = TemplateKey {
                layer: Layer::of(Scope { tenant, stage }),
                name: name.clone(),
            };
            assert_eq!(key.to_string(), shown);
            assert_eq!(serde_json::to_value(&key).expect("JSON"), shown);
            assert_eq!(key == name, shown == "a.html");
        }
    }
}
