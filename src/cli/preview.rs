//! `hotplate preview`: the effect that a directory, an archive or a git revision would have on a running instance or on another directory.

mod report;
mod source;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use hotplate::diagnostic::Diagnostic;
use hotplate::site::Site;
use hotplate::{OnFailure, PreviewRequest, TemplateName};
use serde_json::{Value, json};

use super::failure::FOUND;
use super::findings::{self, FindingFormat};
use super::instance::{Instance, without_scheme};
use super::setup::{CommandSetup, Flag};
use super::terminal::Terminal;
use super::{Directory, Failure, block_on, start_quietly};
use source::Checkout;

#[derive(Debug, Args)]
pub(crate) struct Preview {
    #[command(flatten)]
    pub(crate) directory: Directory,
    /// The side that would be changed: a running instance by its admin address (`127.0.0.1:9901` or `http://…`), or a directory [default:
    /// the files of DIR with `--ref`, else the configured admin address]
    #[arg(long, value_name = "ADDRESS|DIR")]
    against: Option<String>,
    /// Publish DIR as it is in this git revision, such as `origin/main`, instead of its files: the report says what that would change
    #[arg(long = "ref", value_name = "REV")]
    revision: Option<String>,
    /// Templates of the other side that DIR does not have stay
    #[arg(long)]
    partial: bool,
    /// Exit with 1 on errors only, or on any change
    #[arg(long, value_enum, value_name = "KIND", default_value_t = FailOn::Error)]
    fail_on: FailOn,
    /// Output format: sentences, one JSON object, SARIF 2.1.0, or annotations of GitHub
    #[arg(long, value_enum, default_value_t = FindingFormat::Human)]
    format: FindingFormat,
    /// A file with the admin token [env: HOTPLATE_ADMIN__TOKEN has the token itself]
    #[arg(long, value_name = "FILE")]
    token_file: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Error,
    Change,
}

/// The time that an instance may take to make a preview, which is longer than its own limit.
const ANSWER_MAX: Duration = Duration::from_secs(120);

/// The texts of one side.
struct Texts {
    site: Site,
    texts: BTreeMap<TemplateName, Arc<str>>,
    digests: BTreeMap<TemplateName, String>,
    /// The faults of files that cannot be read.
    unreadable: Vec<Diagnostic>,
}

impl Preview {
    pub(crate) fn flags(&self) -> Vec<Flag<'_>> {
        let mut flags = self.directory.flags();
        flags.push(("--token-file ", "admin.token_file", &self.token_file));
        flags
    }

    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let checkout = Checkout::of(
            &self.directory.directory,
            self.revision.as_deref(),
            &setup.config().limits,
        )?;
        // Its settings say how its templates are read. The instance and its token are those of this command.
        let settings = setup.at(&self.directory.directory, checkout.path())?;
        let site = self.directory.at(checkout.path()).open(&settings)?;
        let texts = Texts::read(site, &settings)?;
        let mut report = self.report(&texts, setup)?;
        add_unreadable(&mut report, &texts.unreadable);
        report::show_names(&texts.site, &mut report);

        let mut terminal = Terminal::stdout();
        let place = |name: &str| self.place(&texts.site, checkout.path(), name);
        match self.format {
            FindingFormat::Human => {
                terminal.line(self.heading(setup))?;
                terminal.line(report::text(&report).trim_end())?;
            }
            FindingFormat::Json => terminal.line(&report)?,
            FindingFormat::Sarif => terminal.line(findings::sarif(&report::findings(&report), &place))?,
            FindingFormat::Github => {
                for line in findings::github(&report::findings(&report), &place) {
                    terminal.line(line)?;
                }
            }
        }
        let fails = report["errors"] == true || (self.fail_on == FailOn::Change && report["unchanged"] != true);
        Ok(ExitCode::from(if fails { FOUND } else { 0 }))
    }

    /// Returns the path of the file that a finding is about: below DIR, also if its texts are from a revision.
    fn place(&self, site: &Site, checkout: &std::path::Path, name: &str) -> String {
        let directory = site.template_directory();
        let below = directory.strip_prefix(checkout).unwrap_or(&directory).to_owned();
        let below = if site.is_file_of_data(name) {
            PathBuf::new()
        } else {
            below
        };
        let shown = match self.directory.directory.is_dir() {
            true => self.directory.directory.join(below).join(name),
            false => below.join(name),
        };
        findings::slashes(&shown)
    }

    /// Returns the line that says what is compared, and in which direction.
    fn heading(&self, setup: &CommandSetup) -> String {
        let directory = self.directory.directory.display();
        let published = match &self.revision {
            Some(revision) => format!("revision {revision} of {directory}"),
            None => directory.to_string(),
        };
        let against = match (self.other_directory(), &self.against) {
            (Some(other), None) => format!("the files of {}", other.display()),
            (Some(other), Some(_)) => other.display().to_string(),
            (None, Some(address)) => format!("the instance at {address}"),
            (None, None) => format!("the instance at {}", setup.config().admin.bind),
        };
        format!("publishing {published} over {against}:")
    }

    /// Returns the directory to compare with, if it is no instance.
    fn other_directory(&self) -> Option<PathBuf> {
        match &self.against {
            Some(against) => Some(PathBuf::from(against)).filter(|path| path.is_dir()),
            None => self.revision.as_ref().map(|_| self.directory.directory.clone()),
        }
    }

    /// Asks the other side.
    fn report(&self, texts: &Texts, setup: &CommandSetup) -> Result<Value, Failure> {
        match self.other_directory() {
            Some(directory) => self.against_directory(texts, directory, setup),
            None => self.against_instance(texts, setup),
        }
    }

    fn against_directory(&self, texts: &Texts, directory: PathBuf, setup: &CommandSetup) -> Result<Value, Failure> {
        let settings = setup.at(&self.directory.directory, &directory)?;
        let site = self.directory.at(&directory).open(&settings)?;
        let builder = settings.config().apply(site.builder());
        let hotplate = start_quietly(&site, builder.watch(false).on_failure(OnFailure::LastGood))?;
        let request = PreviewRequest {
            edits: texts
                .texts
                .iter()
                .map(|(name, text)| (name.clone(), Some(Arc::clone(text))))
                .collect(),
            complete: !self.partial,
            render: true,
        };
        let preview = block_on(hotplate.preview(request))?.map_err(|error| Failure::Failed(error.to_string()))?;
        Ok(hotplate::admin::describe_preview(&preview))
    }

    /// Sends the texts that differ from those of a running instance.
    fn against_instance(&self, texts: &Texts, setup: &CommandSetup) -> Result<Value, Failure> {
        let address = self.against.as_deref().unwrap_or(&setup.config().admin.bind);
        let address = without_scheme(address).map_err(|reason| Failure::Wrong(format!("`{address}`: {reason}")))?;
        if !address.is_empty() && !address.contains(':') {
            return Err(Failure::Wrong(format!(
                "`{address}` is neither a directory nor an address such as `127.0.0.1:9901`"
            )));
        }
        let instance = Instance::new(&address, ANSWER_MAX, setup)?;
        let mut edits = serde_json::Map::new();
        let mut unknown = texts.digests.clone();
        let mut after = None;
        loop {
            let page = instance.get_after("templates", after.as_deref())?;
            for template in page["templates"].as_array().into_iter().flatten() {
                let Some(name) = template["name"].as_str() else {
                    continue;
                };
                let here = unknown.remove(name);
                match here {
                    None if self.partial => {}
                    None => _ = edits.insert(name.to_owned(), Value::Null),
                    // What is served may be older than the newest text.
                    Some(digest) if template["status"] == "current" && template["digest"] == digest.as_str() => {}
                    Some(_) => _ = edits.insert(name.to_owned(), text_of(texts, name)),
                }
            }
            after = page["next"].as_str().map(str::to_owned);
            if after.is_none() {
                break;
            }
        }
        for name in unknown.keys() {
            edits.insert(name.to_string(), text_of(texts, name.as_str()));
        }
        instance.post("previews", &json!({ "edits": edits }), None)
    }
}

fn text_of(texts: &Texts, name: &str) -> Value {
    texts.texts.get(name).map_or(Value::Null, |text| json!(**text))
}

impl Texts {
    fn read(site: Site, setup: &CommandSetup) -> Result<Self, Failure> {
        let changes = site.load(&setup.config().limits).map_err(|error| {
            let directory = site.directory().display();
            Failure::Wrong(format!("`{directory}` cannot be loaded: {error}"))
        })?;
        let sources = changes.changed.into_iter();
        let (mut texts, mut digests) = (BTreeMap::new(), BTreeMap::new());
        for source in sources {
            digests.insert(source.key.name.clone(), source.digest.to_string());
            texts.insert(source.key.name, source.text);
        }
        let unreadable = changes.unreadable.into_iter();
        let unreadable = unreadable.flat_map(|(key, faults)| {
            let in_template = |fault: &Diagnostic| fault.clone().in_template(&key.name);
            faults.iter().map(in_template).collect::<Vec<_>>()
        });
        Ok(Self {
            unreadable: unreadable.collect(),
            site,
            texts,
            digests,
        })
    }
}

/// Adds the faults of files that cannot be read, and so were not sent.
fn add_unreadable(report: &mut Value, unreadable: &[Diagnostic]) {
    if unreadable.is_empty() {
        return;
    }
    report["errors"] = true.into();
    report["unchanged"] = false.into();
    if let Some(diagnostics) = report["diagnostics"].as_array_mut() {
        diagnostics.extend(unreadable.iter().map(|fault| {
            let mut shown = json!(fault);
            shown["text"] = fault.human(false).into();
            shown
        }));
    }
}
