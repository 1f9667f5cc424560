//! Who sees what: [`Scope`] is a tenant (or everybody) at a stage.
//!
//! Today one scope is built, shared and stable; the types are here so that a layer, a view and a message name their scope from
//! the start.

use std::sync::Arc;

/// One customer of a service that serves several from one process.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// A tenant by its identifier.
    #[must_use]
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }
}

/// How far along a template is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum Stage {
    /// For everybody.
    #[default]
    Stable,
    /// For a share of the requests.
    Canary,
    /// For those who ask for it.
    Experimental,
}

/// A tenant, or everybody, at a stage.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Scope {
    /// `None` is shared by all tenants.
    pub tenant: Option<Tenant>,
    /// How far along.
    pub stage: Stage,
}

impl Scope {
    /// Shared by all tenants, stable: the scope of a service that knows no others.
    pub const SHARED: Self = Self {
        tenant: None,
        stage: Stage::Stable,
    };

    /// The scopes in which a name is looked up, first hit wins: tenant at this stage, tenant stable, shared at this stage,
    /// shared stable; each once.
    #[must_use]
    pub fn overlays(&self) -> Vec<Self> {
        let mut overlays: Vec<Self> = Vec::with_capacity(4);
        for tenant in [self.tenant.clone(), None] {
            for stage in [self.stage, Stage::Stable] {
                let scope = Self {
                    tenant: tenant.clone(),
                    stage,
                };
                if !overlays.contains(&scope) {
                    overlays.push(scope);
                }
            }
        }
        overlays
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlays_go_from_the_tenant_to_everybody() {
        let acme = Some(Tenant::new("acme"));
        let canary = Scope {
            tenant: acme.clone(),
            stage: Stage::Canary,
        };
        let expected = [
            (acme.clone(), Stage::Canary),
            (acme, Stage::Stable),
            (None, Stage::Canary),
            (None, Stage::Stable),
        ];
        assert_eq!(
            canary.overlays(),
            expected.map(|(tenant, stage)| Scope { tenant, stage })
        );
        assert_eq!(Scope::SHARED.overlays(), [Scope::SHARED]);
    }
}
