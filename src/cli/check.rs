//! `hotplate check`: finds the errors of a site before its visitors do.
//!
//! It compiles all templates, renders every page that has data, and adds the warnings of the engine and of the data.

use std::collections::HashSet;
use std::process::ExitCode;

use clap::Args;
use hotplate::diagnostic::{Diagnostic, Severity};
use hotplate::site::{Site, SiteData};
use hotplate::snapshot::{EntryStatus, Snapshot};
use hotplate::template::{Layer, Scope, Stage};
use hotplate::{Builder, Digest, Hotplate, OnFailure, Pinned, RenderFailure, ScopeHandle, TemplateName};
use serde_json::json;

use super::failure::FOUND;
use super::findings::{self, Finding, FindingFormat};
use super::progress::Progress;
use super::setup::CommandSetup;
use super::terminal::Terminal;
use super::{Directory, Failure, names, start};

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) directory: Directory,
    #[command(flatten)]
    options: CheckOptions,
}

/// The options of a check.
#[derive(Debug, Args)]
pub(crate) struct CheckOptions {
    /// Output format: sentences, one JSON object, SARIF 2.1.0, or annotations of GitHub
    #[arg(long, value_enum, default_value_t = FindingFormat::Human)]
    format: FindingFormat,
}

/// Texts with errors that are counted for one page.
const CAUSES_MAX: usize = 100;

/// An error or a warning, with the pages that fail because of it, if rendering them showed it.
struct CheckFinding {
    diagnostic: Diagnostic,
    entries: Vec<TemplateName>,
}

/// The result of a check.
struct CheckFindings {
    templates: usize,
    rendered: usize,
    /// Formatters that are replaced by printing the value.
    stubs: Vec<String>,
    findings: Vec<CheckFinding>,
}

impl Check {
    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let site = self.directory.open(setup)?;
        let config = setup.config();
        let builder = config
            .apply(site.builder())
            .required(&config.templates.required_at_start);
        self.options.check(&site, builder)
    }
}

impl CheckOptions {
    /// Checks the templates of an engine, prints the findings and returns the exit code.
    pub(super) fn check(&self, site: &Site, builder: Builder) -> Result<ExitCode, Failure> {
        let findings = CheckFindings::of(site, builder)?;
        let mut terminal = Terminal::stdout();
        match self.format {
            FindingFormat::Human => findings.print(site, &mut terminal)?,
            FindingFormat::Json => terminal.line(findings.json())?,
            FindingFormat::Sarif => terminal.line(findings::sarif(&findings.all(), &|name| place(site, name)))?,
            FindingFormat::Github => {
                for line in findings::github(&findings.all(), &|name| place(site, name)) {
                    terminal.line(line)?;
                }
            }
        }
        Ok(ExitCode::from(if findings.count(Severity::Error) > 0 {
            FOUND
        } else {
            0
        }))
    }
}

impl CheckFindings {
    fn of(site: &Site, builder: Builder) -> Result<Self, Failure> {
        let loading = Progress::waiting("loading templates");
        let stubs = builder.stubs().map(str::to_owned).collect();
        let hotplate = start(
            site,
            builder
                .watch(false)
                .on_failure(OnFailure::Return)
                .contract_only_reports(),
        )?;
        drop(loading);
        let pinned = hotplate.snapshot();
        let snapshot = pinned.snapshot();
        let mut findings = CheckFindings {
            templates: snapshot.entries().filter(|(_, name, _)| site.is_template(name)).count(),
            rendered: 0,
            stubs,
            findings: Vec::new(),
        };
        for diagnostic in hotplate.diagnostics() {
            findings.add(names::diagnostic(site, &diagnostic), None);
        }
        findings.affect(site, snapshot);
        let current = snapshot
            .entries()
            .filter(|(_, _, status)| matches!(status, EntryStatus::Current(_)));
        let mut entries: Vec<&TemplateName> = current.map(|(_, name, _)| name).collect();
        entries
            .retain(|name| site.is_entry(name) && (site.has_data(snapshot, name) || site.has_sample(snapshot, name)));
        entries.sort_unstable();
        let progress = Progress::counting("rendering", entries.len());
        for entry in entries {
            match site.has_sample(snapshot, entry) {
                // The contract has rendered it with its sample.
                true => findings.rendered += 1,
                false => findings.render(&pinned, entry),
            }
            progress.step();
        }
        drop(progress);
        findings.check_scopes(site, &hotplate, snapshot);
        if findings.templates == 0 {
            findings.add(no_template(site), None);
        }
        let remarks = hotplate
            .health()
            .loaders
            .into_iter()
            .flat_map(|loader| loader.status.remarks);
        remarks.for_each(|remark| findings.add(remark, None));
        let warnings = [
            hotplate.warnings(),
            site.data_warnings(snapshot),
            site.unused_data(snapshot),
        ];
        for diagnostic in warnings.into_iter().flatten() {
            findings.add(names::diagnostic(site, &diagnostic), None);
        }
        Ok(findings)
    }

    /// Adds to each error of a text the pages that it keeps from being served.
    fn affect(&mut self, site: &Site, snapshot: &Snapshot) {
        let entries = snapshot.entries();
        let bad = entries.filter(|(_, name, now)| {
            site.is_entry(name) && matches!(now, EntryStatus::Stale { .. } | EntryStatus::Broken)
        });
        let mut bad: Vec<_> = bad.collect();
        bad.sort_unstable_by_key(|(_, name, _)| *name);
        for (id, name, _) in bad {
            for why in snapshot.whys(id, CAUSES_MAX) {
                let cause = site.shown(&why.cause);
                let of_cause = self
                    .findings
                    .iter_mut()
                    .filter(|found| found.diagnostic.template.as_ref() == Some(&cause));
                of_cause.for_each(|found| found.entries.push(name.clone()));
            }
        }
    }

    fn render(&mut self, pinned: &Pinned, entry: &TemplateName) {
        self.rendered += 1;
        if let Err(failure) = pinned.request(entry.as_str()).with_source(SiteData).render() {
            self.add(fault_of(failure, entry), Some(entry));
        }
    }

    /// Adds the faults that templates have in other scopes only, each distinct fault once, and renders each page that differs there.
    fn check_scopes(&mut self, site: &Site, hotplate: &Hotplate, snapshot: &Snapshot) {
        let of_stages = hotplate
            .later_stages()
            .into_iter()
            .map(|stage| Scope { tenant: None, stage });
        let of_tenants = hotplate.tenants().into_iter().flat_map(|tenant| {
            Stage::ALL.map(|stage| Scope {
                tenant: Some(tenant.clone()),
                stage,
            })
        });
        let mut rendered: HashSet<Digest> = HashSet::new();
        let everyone = Scope::default();
        rendered.extend(closures(snapshot, &everyone).map(|(_, digest)| digest));
        for scope in of_stages.chain(of_tenants) {
            let Some(scoped) = snapshot.scoped(&scope) else {
                continue;
            };
            let layer = Layer::of(scope.clone());
            let bad = scoped.named_entries();
            let bad = bad.filter(|(_, _, status)| matches!(status, EntryStatus::Stale { .. } | EntryStatus::Broken));
            for (id, name, _) in bad {
                let entry = site.is_entry(name).then_some(name);
                for fault in scoped.why(id).iter().flat_map(|why| why.diagnostics.iter()) {
                    self.add_of(&layer, names::diagnostic(site, &fault.without_chain()), entry);
                }
            }
            let handle = hotplate.scope(&scope);
            for (entry, digest) in closures(snapshot, &scope) {
                let is_page = site.is_entry(&entry) && has_data(site, &handle, &entry);
                if !is_page || !rendered.insert(digest) {
                    continue;
                }
                self.rendered += 1;
                if let Err(failure) = handle.request(entry.as_str()).with_source(SiteData).render() {
                    self.add_of(&layer, fault_of(failure, &entry), Some(&entry));
                }
            }
        }
    }

    /// Adds a finding of another scope than that of everyone, unless the same one is known.
    fn add_of(&mut self, layer: &Layer, mut diagnostic: Diagnostic, entry: Option<&TemplateName>) {
        let is_known = self.findings.iter().any(|found| {
            let known = &found.diagnostic;
            let is_same =
                known.message == diagnostic.message || known.message.starts_with(&format!("{} (", diagnostic.message));
            (known.code, &known.template, known.span) == (diagnostic.code, &diagnostic.template, diagnostic.span)
                && is_same
        });
        if !is_known {
            diagnostic.message = format!("{} ({layer})", diagnostic.message);
            self.add(diagnostic, entry);
        }
    }

    /// Adds a finding. An error that occurs in many pages is one finding that names the pages.
    fn add(&mut self, diagnostic: Diagnostic, entry: Option<&TemplateName>) {
        let same = |found: &&mut CheckFinding| {
            let found = &found.diagnostic;
            (found.code, &found.template, found.span, &found.message)
                == (
                    diagnostic.code,
                    &diagnostic.template,
                    diagnostic.span,
                    &diagnostic.message,
                )
        };
        match self.findings.iter_mut().find(same) {
            Some(finding) => finding.entries.extend(entry.cloned()),
            None => self.findings.push(CheckFinding {
                diagnostic,
                entries: entry.into_iter().cloned().collect(),
            }),
        }
    }

    fn all(&self) -> Vec<Finding> {
        self.findings
            .iter()
            .map(|found| findings::of(&found.diagnostic))
            .collect()
    }

    fn count(&self, severity: Severity) -> usize {
        let found = self
            .findings
            .iter()
            .filter(|finding| finding.diagnostic.severity == severity);
        found.count()
    }

    fn print(&self, site: &Site, terminal: &mut Terminal) -> Result<(), Failure> {
        for CheckFinding { diagnostic, entries } in &self.findings {
            terminal.diagnostic(diagnostic)?;
            // A page whose own text has the error is named already.
            if entries.iter().any(|entry| Some(entry) != diagnostic.template.as_ref()) {
                let pages = names::count(entries.len(), "page");
                terminal.line(format_args!("affects {pages}: {}", names::list(site, entries)))?;
            }
            terminal.line("")?;
        }
        let templates = names::count(self.templates, "template");
        let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
        let found = match (errors, warnings) {
            (0, 0) => "nothing is wrong".to_owned(),
            (errors, 0) => names::count(errors, "error"),
            (0, warnings) => names::count(warnings, "warning"),
            (errors, warnings) => format!(
                "{}, {}",
                names::count(errors, "error"),
                names::count(warnings, "warning")
            ),
        };
        let rendered = self.rendered;
        terminal.line(format_args!(
            "{templates}, {rendered} rendered with their data: {found}"
        ))?;
        Ok(())
    }

    fn json(&self) -> String {
        let finding = |CheckFinding { diagnostic, entries }: &CheckFinding| json!({ "diagnostic": diagnostic, "entries": entries });
        json!({
            "templates": self.templates,
            "rendered": self.rendered,
            "stubs": self.stubs,
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
        })
        .to_string()
    }
}

/// Returns each template of a scope that can be rendered from its newest text, with the digest of its closure.
fn closures<'s>(snapshot: &'s Snapshot, scope: &'s Scope) -> impl Iterator<Item = (TemplateName, Digest)> + 's {
    let scoped = snapshot.scoped(scope).into_iter();
    let current = scoped.flat_map(|scoped| scoped.named_entries());
    current.filter_map(|(_, name, status)| match status {
        EntryStatus::Current(closure) => Some((name.clone(), closure.digest())),
        _ => None,
    })
}

/// Returns true if a page has data in a scope: its own, or that of all pages.
fn has_data(site: &Site, scope: &ScopeHandle, entry: &TemplateName) -> bool {
    site.data_names(entry)
        .iter()
        .any(|name| scope.status(name.as_str()).is_some())
}

/// Returns the path of the file that a finding names.
fn place(site: &Site, name: &str) -> String {
    let directory = match site.is_file_of_data(name) {
        true => site.directory().to_owned(),
        false => site.template_directory(),
    };
    findings::slashes(&directory.join(name))
}

fn no_template(site: &Site) -> Diagnostic {
    let message = format!("there is no template in {}", site.templates_are_in());
    let diagnostic = Diagnostic::error("no-template", message);
    match site.extensions() {
        Some(extensions) => diagnostic.help(format!(
            "write one, such as `index.html`; files with the extension `{}` are templates, unless `[files]` or a \
             `.hotplateignore` leaves them out",
            extensions.join("`, `")
        )),
        None => diagnostic.help("give its builder a root or a loader that has some"),
    }
}

/// Returns the diagnostic of a render that failed.
fn fault_of(failure: RenderFailure, entry: &TemplateName) -> Diagnostic {
    match failure {
        RenderFailure::Failed(error) => *error.diagnostic,
        RenderFailure::Broken { why, .. } if !why.diagnostics.is_empty() => why.diagnostics[0].clone(),
        other => Diagnostic::error("not-rendered", other.to_string()).in_template(entry),
    }
}
