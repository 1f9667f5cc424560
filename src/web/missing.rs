//! The answer 404 in development: the pages of the site, and the address that was probably meant.

use hotplate_actors::snapshot::Snapshot;
use hotplate_actors::suggestion;

use super::escaped::escaped;
use crate::percent::percent_encoded;
use crate::site::Site;

/// Addresses that the page lists.
const LISTED: usize = 200;

/// The addresses of the pages of a site.
pub(super) struct SitePages {
    /// The first addresses in alphabetical order.
    listed: Vec<String>,
    more: usize,
    /// The address that was probably meant.
    nearest: Option<String>,
}

impl SitePages {
    /// Collects the addresses of all pages. `path` is the one that was asked for.
    pub(super) fn of(site: &Site, snapshot: &Snapshot, path: &str) -> Self {
        let entries = snapshot.entries().filter(|(_, name, _)| site.is_entry(name));
        let addresses = entries.filter_map(|(_, name, _)| {
            let address = address_of(name.output_name());
            // Another page may answer this address, or none.
            let answers = site.entry_at(snapshot, &address).is_some_and(|entry| entry == *name);
            answers.then_some(address)
        });
        let mut addresses: Vec<String> = addresses.collect();
        addresses.sort_unstable();
        let nearest = suggestion(path, addresses.iter().map(String::as_str)).map(str::to_owned);
        let more = addresses.len().saturating_sub(LISTED);
        addresses.truncate(LISTED);
        Self {
            listed: addresses,
            more,
            nearest,
        }
    }

    /// Returns the page as HTML.
    pub(super) fn html(&self, path: &str) -> String {
        let link = |address: &String| format!("<a href=\"{}\">{}</a>", percent_encoded(address), escaped(address));
        let path = escaped(path);
        let meant = self.nearest.as_ref().map_or_else(String::new, |address| {
            format!("<p>Did you mean {}?</p>\n", link(address))
        });
        let list: String = self
            .listed
            .iter()
            .map(|address| format!("<li>{}</li>\n", link(address)))
            .collect();
        let pages = match (self.listed.is_empty(), self.more) {
            (true, _) => "<p>This site has no pages yet.</p>\n".to_owned(),
            (false, 0) => format!("<h2>Pages of this site</h2>\n<ul>\n{list}</ul>\n"),
            (false, more) => format!("<h2>Pages of this site</h2>\n<ul>\n{list}</ul>\n<p>and {more} more</p>\n"),
        };
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
             <meta name=\"color-scheme\" content=\"light dark\"><title>Not Found</title>\
             <style>body{{background:Canvas;color:CanvasText;font:16px/1.5 system-ui,sans-serif;margin:2rem}}a{{color:LinkText}}</style></head>\n<body>\n<main>\n<h1>There is no page here.</h1>\n\
             <p>No template answers <code>{path}</code>.</p>\n{meant}{pages}</main>\n</body>\n</html>\n"
        )
    }
}

/// Returns the address at which a page with this output name is answered: without `index.html` and `.html`.
fn address_of(output: &str) -> String {
    let folder = output
        .strip_suffix("index.html")
        .filter(|folder| folder.is_empty() || folder.ends_with('/'));
    format!("/{}", folder.or_else(|| output.strip_suffix(".html")).unwrap_or(output))
}

#[cfg(test)]
mod tests {
    use hotplate_actors::TemplateName;

    use super::*;

    #[test]
    fn addresses_are_those_that_people_type() {
        for (name, address) in [
            ("index.html", "/"),
            ("a/index.html.j2", "/a/"),
            ("a/b.html", "/a/b"),
            ("reindex.html", "/reindex"),
            ("feed.xml.jinja", "/feed.xml"),
        ] {
            let name = TemplateName::new(name).expect("a name");
            assert_eq!(address_of(name.output_name()), address, "{name}");
        }
    }
}
