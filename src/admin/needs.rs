//! [`needed`]: the permission that each request needs. A pure function.

use actix_web::http::Method;

use super::subjects::{Extent, Permission};

/// The permission that a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need<'r> {
    pub(super) permission: Permission,
    pub(super) extent: Extent<'r>,
    /// True if the request names something whose existence is hidden from those who may not read it: they are answered 404. The answer is
    /// decided before anything is looked up, so it takes the same time whether the thing exists or not.
    pub(super) is_hidden: bool,
}

/// Returns what a request needs, or `None` if everybody who is admitted may send it. A path that is not listed needs `admin` for everything.
pub(super) fn needed<'r>(method: &Method, path: &'r str, query: &'r str) -> Option<Need<'r>> {
    let need = |permission, extent, is_hidden| {
        Some(Need {
            permission,
            extent,
            is_hidden,
        })
    };
    let everything = |permission| need(permission, Extent::Everything, false);
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    if let Some(path) = path.strip_prefix("/_hotplate/") {
        return match (is_read, path) {
            (true, "login") | (false, "login" | "logout") => None,
            (true, "dashboard.css" | "dashboard.js" | "icon.svg" | "icon-warn.svg" | "icon-bad.svg") => None,
            (true, path) if path.starts_with("previews/") && path.contains("/render/") => {
                need(Permission::Render, Extent::Everything, true)
            }
            (true, path) if path.starts_with("previews/") || path.starts_with("versions/") => {
                need(Permission::Read, Extent::Everything, true)
            }
            (true, "" | "versions" | "previews" | "stages" | "templates" | "live") => everything(Permission::Read),
            (false, "do/reload" | "do/rollback" | "do/resume") => everything(Permission::Publish),
            (false, "do/stage") => everything(Permission::Promote),
            _ => everything(Permission::Admin),
        };
    }
    let Some(path) = path.strip_prefix("/admin/v1/") else {
        return match path {
            "/" | "/_hotplate" => None,
            _ => everything(Permission::Admin),
        };
    };
    match (is_read, path) {
        (true, "health/live" | "health/ready") => None,
        (true, "health" | "version" | "instance" | "metrics" | "openapi.json" | "log-level") => {
            need(Permission::Read, Extent::Shared, false)
        }
        (true, "templates" | "graph") => {
            let extent = extent_of(query);
            need(Permission::Read, extent, matches!(extent, Extent::Tenant(_)))
        }
        (true, path) if path.starts_with("template/") => need(Permission::Read, extent_of(query), true),
        (true, "visitors" | "versions" | "leaks" | "events" | "previews" | "stages" | "shadow" | "tenants") => {
            everything(Permission::Read)
        }
        (true, "diff") => need(Permission::Read, Extent::Everything, true),
        (_, path) if path.starts_with("previews/") && path.contains("/render/") => {
            need(Permission::Render, Extent::Everything, true)
        }
        (true, path) if path.starts_with("previews/") => need(Permission::Read, Extent::Everything, true),
        (false, path) if path.starts_with("previews/") => need(Permission::Render, Extent::Everything, true),
        (false, "previews") => everything(Permission::Render),
        (false, "reload" | "rollback" | "resume") => everything(Permission::Publish),
        (false, path) if path.starts_with("stages/") => everything(Permission::Promote),
        _ => everything(Permission::Admin),
    }
}

/// Returns the extent of a query: that of its field `tenant`. Several of them could be read in two ways, so they concern everything; so do
/// encoded ones, because no id needs that.
fn extent_of(query: &str) -> Extent<'_> {
    let mut named = query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // An encoded name could be the same field.
        (name == "tenant" || name.contains(['%', '+'])).then_some((name, value))
    });
    match (named.next(), named.next()) {
        (None, _) => Extent::Shared,
        (Some(("tenant", id)), None) if !id.contains(['%', '+']) => Extent::Tenant(id),
        _ => Extent::Everything,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_needs_its_permission() {
        use Permission::{Admin, Promote, Publish, Read, Render};
        for (method, target, expected) in [
            (Method::GET, "/admin/v1/health/ready", None),
            (Method::GET, "/admin/v1/health", Some((Read, Extent::Shared, false))),
            (
                Method::GET,
                "/admin/v1/template/a.html",
                Some((Read, Extent::Shared, true)),
            ),
            (
                Method::GET,
                "/admin/v1/template/a.html?tenant=acme",
                Some((Read, Extent::Tenant("acme"), true)),
            ),
            (
                Method::GET,
                "/admin/v1/templates?x=1&tenant=acme",
                Some((Read, Extent::Tenant("acme"), true)),
            ),
            (
                Method::GET,
                "/admin/v1/templates?tenant=a&tenant=b",
                Some((Read, Extent::Everything, false)),
            ),
            (
                Method::GET,
                "/admin/v1/templates?tenan%74=a",
                Some((Read, Extent::Everything, false)),
            ),
            (
                Method::GET,
                "/admin/v1/templates?tenant=%61",
                Some((Read, Extent::Everything, false)),
            ),
            (
                Method::GET,
                "/admin/v1/versions?tenant=acme",
                Some((Read, Extent::Everything, false)),
            ),
            (
                Method::GET,
                "/admin/v1/previews/7",
                Some((Read, Extent::Everything, true)),
            ),
            (
                Method::POST,
                "/admin/v1/previews/7/render/a.html",
                Some((Render, Extent::Everything, true)),
            ),
            (
                Method::POST,
                "/admin/v1/previews",
                Some((Render, Extent::Everything, false)),
            ),
            // A command acts on everything, whatever the query says.
            (
                Method::POST,
                "/admin/v1/rollback?tenant=acme",
                Some((Publish, Extent::Everything, false)),
            ),
            (Method::GET, "/admin/v1/stages", Some((Read, Extent::Everything, false))),
            (Method::GET, "/admin/v1/shadow", Some((Read, Extent::Everything, false))),
            (
                Method::GET,
                "/admin/v1/tenants",
                Some((Read, Extent::Everything, false)),
            ),
            (
                Method::GET,
                "/_hotplate/stages",
                Some((Read, Extent::Everything, false)),
            ),
            (
                Method::POST,
                "/_hotplate/do/stage",
                Some((Promote, Extent::Everything, false)),
            ),
            (
                Method::POST,
                "/admin/v1/stages/canary/promote",
                Some((Promote, Extent::Everything, false)),
            ),
            (
                Method::POST,
                "/admin/v1/reset",
                Some((Admin, Extent::Everything, false)),
            ),
            (
                Method::PUT,
                "/admin/v1/log-level",
                Some((Admin, Extent::Everything, false)),
            ),
            (
                Method::GET,
                "/admin/v1/wombat",
                Some((Admin, Extent::Everything, false)),
            ),
            (
                Method::DELETE,
                "/admin/v1/previews/7",
                Some((Render, Extent::Everything, true)),
            ),
            (
                Method::DELETE,
                "/admin/v1/templates",
                Some((Admin, Extent::Everything, false)),
            ),
            (Method::GET, "/_hotplate/login", None),
            (Method::POST, "/_hotplate/logout", None),
            (Method::GET, "/_hotplate/", Some((Read, Extent::Everything, false))),
            (
                Method::POST,
                "/_hotplate/do/rollback",
                Some((Publish, Extent::Everything, false)),
            ),
            (
                Method::POST,
                "/_hotplate/do/reset",
                Some((Admin, Extent::Everything, false)),
            ),
            (Method::GET, "/other", Some((Admin, Extent::Everything, false))),
        ] {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let found = needed(&method, path, query);
            let found = found.map(|need| (need.permission, need.extent, need.is_hidden));
            assert_eq!(found, expected, "{method} {target}");
        }
    }
}
