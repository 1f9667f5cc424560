//! [`Compared`]: the differences between two versions. Texts that differ are shown with their lines; templates whose text is the same and
//! whose status differs are grouped by that change, with the errors that caused it.

use std::collections::BTreeMap;

use hotplate_actors::Status;
use hotplate_actors::snapshot::Difference;
use serde::Serialize;

use super::paging::Paging;
use super::versions::{DiffLine, lines};
use crate::admin::model::{ChangedTemplate, SideAnswer};
use crate::admin::phrases;
use crate::percent::percent_encoded;

/// Texts on a page.
const TEXTS: usize = 20;
/// Names of a group on a page.
const NAMES: usize = 60;
/// Errors that are named as the cause of a group.
const CAUSES: usize = 5;

#[derive(Debug, Serialize)]
pub(super) struct Compared {
    any: bool,
    /// The numbers of texts and of templates in groups.
    summary: String,
    groups: Vec<StatusGroup>,
    templates: Vec<TemplateDiff>,
    paging: Paging,
}

/// Templates whose text is the same, and whose status changed in the same way.
#[derive(Debug, Serialize)]
struct StatusGroup {
    id: String,
    words: String,
    /// The templates that have errors in the later version and in no earlier one; none if the change is a recovery.
    causes: Vec<Link>,
    /// The templates on this page.
    names: Vec<Link>,
    range: String,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Link {
    name: String,
    href: String,
}

impl Link {
    fn to(name: &str) -> Self {
        Self {
            href: format!("/_hotplate/templates?at={}", percent_encoded(name)),
            name: name.to_owned(),
        }
    }
}

#[derive(Debug, Serialize)]
struct TemplateDiff {
    name: String,
    href: String,
    change: &'static str,
    /// The change of its status, if there is one.
    status: Option<String>,
    lines: Vec<DiffLine>,
    any: bool,
    cut: bool,
}

/// The part of a comparison that a page shows.
#[derive(Debug)]
pub(super) struct ComparedPage {
    /// The page, from 1.
    pub(super) page: usize,
    /// The address without a page, which ends so that a parameter can follow.
    pub(super) address: String,
    /// Names of the templates with new errors in the later version.
    pub(super) faulty: Vec<String>,
    /// Bytes of the texts that the page may have.
    pub(super) bytes: usize,
}

impl Compared {
    /// Groups the differences and describes those of one page. Comparing texts takes time, so only those of the page are compared.
    pub(super) fn of(differences: &[Difference], shown: &ComparedPage) -> Self {
        let mut groups: BTreeMap<(Status, Status), Vec<&Difference>> = BTreeMap::new();
        let mut texts = Vec::new();
        for difference in differences {
            match status_change(difference) {
                Some(change) => groups.entry(change).or_default().push(difference),
                None => texts.push(difference),
            }
        }
        let in_groups: usize = groups.values().map(Vec::len).sum();
        let largest = groups.values().map(Vec::len).max().unwrap_or_default();
        // Both lists are on the same pages, so the pages are those of the longer one.
        let pages = texts.len().div_ceil(TEXTS).max(largest.div_ceil(NAMES));
        let paging = |size: usize| {
            Paging::of(pages * size, size, shown.page, |page| {
                format!("{}page={page}", shown.address)
            })
        };
        let (of_texts, of_names) = (paging(TEXTS), paging(NAMES));
        let mut bytes = shown.bytes;
        let templates = of_texts.items(&texts).iter().map_while(|difference| {
            let changed = ChangedTemplate::of(difference, true);
            bytes = bytes.checked_sub(changed.unified.as_ref().map_or(0, String::len))?;
            Some(TemplateDiff::of(changed))
        });
        let templates = templates.collect();
        let groups = groups
            .into_iter()
            .map(|((before, after), members)| StatusGroup::of(before, after, &members, &of_names, &shown.faulty));
        Self {
            any: !differences.is_empty(),
            summary: summary(texts.len(), in_groups),
            groups: groups.filter(|group| !group.names.is_empty()).collect(),
            templates,
            paging: of_texts,
        }
    }
}

/// Returns the change of the status of a template whose text is the same in both versions.
fn status_change(difference: &Difference) -> Option<(Status, Status)> {
    let (before, after) = (difference.before.as_ref()?, difference.after.as_ref()?);
    // A template that becomes unavailable has no text any more.
    let is_same = before.digest == after.digest || before.digest.is_none() || after.digest.is_none();
    (is_same && before.status != after.status).then_some((before.status, after.status))
}

fn summary(texts: usize, in_groups: usize) -> String {
    let texts = (texts > 0).then(|| match texts {
        1 => "1 text differs".to_owned(),
        _ => format!("{} texts differ", phrases::grouped(texts)),
    });
    let in_groups = (in_groups > 0).then(|| match in_groups {
        1 => "1 template has the same text and another status".to_owned(),
        _ => format!(
            "{} templates have the same text and another status",
            phrases::grouped(in_groups)
        ),
    });
    let both: Vec<String> = texts.into_iter().chain(in_groups).collect();
    both.join("; ")
}

impl StatusGroup {
    fn of(before: Status, after: Status, members: &[&Difference], paging: &Paging, faulty: &[String]) -> Self {
        let worse = after != Status::Current;
        let causes = faulty.iter().filter(|_| worse).take(CAUSES);
        let shown = paging.items(members).iter();
        Self {
            id: format!("{}-{}", before.as_str(), after.as_str()),
            words: format!(
                "{}: {} → {}",
                match members.len() {
                    1 => "1 template".to_owned(),
                    count => format!("{} templates", phrases::grouped(count)),
                },
                words(before),
                words(after)
            ),
            causes: causes.map(|name| Link::to(name)).collect(),
            names: shown.map(|difference| Link::to(difference.name.as_str())).collect(),
            range: match members.len() > NAMES {
                true => format!("{}{}", paging.range(members.len()), phrases::grouped(members.len())),
                false => String::new(),
            },
        }
    }
}

/// Returns a status in the words of the dashboard.
fn words(status: Status) -> &'static str {
    match status {
        Status::Current => "current",
        Status::Stale => "serving last good",
        _ => "unavailable",
    }
}

impl TemplateDiff {
    fn of(changed: ChangedTemplate) -> Self {
        let (lines, cut) = lines(&changed.unified.unwrap_or_default());
        let status = |side: &Option<SideAnswer>| side.as_ref().map(|side| side.status);
        let (before, after) = (status(&changed.before), status(&changed.after));
        let change = before.zip(after).filter(|(before, after)| before != after);
        let Link { name, href } = Link::to(&changed.name);
        Self {
            name,
            href,
            change: changed.change,
            status: change.map(|(before, after)| format!("{} → {}", before.as_str(), after.as_str())),
            any: !lines.is_empty(),
            lines,
            cut,
        }
    }
}
