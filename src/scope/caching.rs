//! The headers by which caches keep answers that depend on the scope apart: `Vary`, `Cache-Control` and the `ETag`.

use std::borrow::Cow;

use hotplate_actors::template::{Scope, Stage};

/// Returns an entity tag that differs by scope, from the opaque text of the tag within one scope. The shared stable scope keeps its tags, and
/// no tag tells the name of a tenant.
///
/// ```
/// use hotplate::scope::scoped_tag;
/// use hotplate_actors::template::{Scope, Stage};
///
/// let canary = Scope { tenant: None, stage: Stage::Canary };
/// assert_eq!(scoped_tag(&Scope::default(), "abc"), "abc");
/// assert_ne!(scoped_tag(&canary, "abc"), "abc");
/// ```
#[must_use]
pub fn scoped_tag<'t>(scope: &Scope, tag: &'t str) -> Cow<'t, str> {
    if scope.tenant.is_none() && scope.stage == Stage::Stable {
        return Cow::Borrowed(tag);
    }
    let tenant = scope.tenant.as_ref().map_or("", |tenant| tenant.as_str());
    let mut hasher = blake3::Hasher::new();
    for part in [tenant, scope.stage.as_str(), tag] {
        // The length keeps the parts apart.
        hasher
            .update(&(part.len() as u64).to_le_bytes())
            .update(part.as_bytes());
    }
    let digest = hasher.finalize().to_hex();
    Cow::Owned(digest[..32].to_owned())
}

/// Returns `Cache-Control` for an answer that is for one visitor only: what the answer says already, without what lets a shared cache keep
/// it.
#[must_use]
pub fn private_cache_control(given: &str) -> String {
    let name = |directive: &&str| {
        directive
            .split('=')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    };
    let directives = given
        .split(',')
        .map(str::trim)
        .filter(|directive| !directive.is_empty());
    let kept: Vec<&str> = directives
        .filter(|directive| {
            !matches!(
                name(directive).as_str(),
                "public" | "s-maxage" | "private" | "proxy-revalidate"
            )
        })
        .collect();
    let is_stored = !kept.iter().any(|directive| name(directive) == "no-store");
    let first = is_stored.then_some("private");
    first.into_iter().chain(kept).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use hotplate_actors::template::Tenant;

    use super::*;

    #[test]
    fn tags_differ_by_scope() {
        let tenants = ["", "acme", "acmecanary", "globex"].map(|id| Tenant::new(id).ok());
        let stages = [Stage::Stable, Stage::Canary, Stage::Experimental];
        let scopes = tenants.iter().flat_map(|tenant| {
            stages.map(|stage| Scope {
                tenant: tenant.clone(),
                stage,
            })
        });
        let tags: BTreeSet<String> = scopes
            .flat_map(|scope| ["a", "b"].map(|tag| scoped_tag(&scope, tag).into_owned()))
            .collect();
        assert_eq!(tags.len(), 4 * 3 * 2);
        assert!(tags.iter().all(|tag| !tag.contains("acme")));
    }

    #[test]
    fn a_private_answer_is_kept_by_its_browser_only() {
        for (given, expected) in [
            ("", "private"),
            ("no-cache", "private, no-cache"),
            ("public, max-age=60", "private, max-age=60"),
            ("Public,S-MaxAge=5 , immutable", "private, immutable"),
            ("private", "private"),
            ("no-store", "no-store"),
            ("private=\"x\", max-age=1", "private, max-age=1"),
        ] {
            assert_eq!(private_cache_control(given), expected, "{given}");
        }
    }
}
