//! `hotplate render`: writes one rendered template to stdout, and nothing else.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use hotplate::diagnostic::Diagnostic;
use hotplate::site::{Site, SiteData, parse};
use hotplate::text::decode;
use hotplate::{Builder, Hotplate, Limits, OnFailure, RenderFailure, Rendered, TemplateName};

use super::scope::ScopeArguments;
use super::setup::CommandSetup;
use super::terminal::Terminal;
use super::{Directory, Failure, names, start};

#[derive(Debug, Args)]
pub(crate) struct Render {
    #[command(flatten)]
    pub(crate) directory: Directory,
    #[command(flatten)]
    page: PageArguments,
}

/// The template to render, and its data.
#[derive(Debug, Args)]
pub(crate) struct PageArguments {
    /// The template, such as `mail/order.txt`
    name: String,
    /// A file with a JSON object as the context, `-` for stdin; without it, the site's own data
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    #[command(flatten)]
    scope: ScopeArguments,
}

impl Render {
    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let site = self.directory.open(setup)?;
        self.page
            .run(&site, setup.config().apply(site.builder()), &setup.config().limits)
    }
}

impl PageArguments {
    pub(super) fn run(&self, site: &Site, builder: Builder, limits: &Limits) -> Result<ExitCode, Failure> {
        let hotplate = start(site, builder.watch(false).on_failure(OnFailure::Return))?;
        let rendered = self.render(site, &hotplate, limits)?;
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(rendered.body.as_bytes())?;
        stdout.flush()?;
        Ok(ExitCode::SUCCESS)
    }

    fn render(&self, site: &Site, hotplate: &Hotplate, limits: &Limits) -> Result<Rendered, Failure> {
        if TemplateName::new(&self.name).is_ok_and(|name| !site.is_template(&name)) {
            return Err(is_data(&self.name));
        }
        let scope = self.scope.existing(hotplate)?;
        let request = hotplate.request(&self.name).scope(&scope);
        let rendered = match &self.data {
            Some(file) => {
                let text = decode(read(file, limits)?).map_err(|fault| in_file(*fault, file))?;
                let parsed = parse(&text, limits).map_err(|fault| in_file(*fault, file))?;
                for warning in parsed.warnings {
                    Terminal::stderr().diagnostic(&of_file(warning, file))?;
                }
                request.with(&parsed.data).render()
            }
            None => request.with_source(SiteData).render(),
        };
        rendered.map_err(|failure| failed(site, failure))
    }
}

/// Returns the failure for a name of data.
fn is_data(name: &str) -> Failure {
    Failure::Invalid(format!("`{name}` is data; only templates are rendered"))
}

/// Returns the failure of a command whose render failed.
fn failed(site: &Site, failure: RenderFailure) -> Failure {
    match failure {
        RenderFailure::NotFound { name, nearest } => {
            if let Some(data) = nearest.as_ref().filter(|near| !site.is_template(near))
                && site.shown(data).as_str() == name
            {
                return is_data(&name);
            }
            let nearest = nearest.filter(|name| site.is_template(name));
            let hint = match nearest {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "`graph` names all of them".to_owned(),
            };
            Failure::Invalid(format!("there is no template `{name}`; {hint}"))
        }
        RenderFailure::Failed(error) => Failure::Diagnostics(vec![*error.diagnostic]),
        RenderFailure::Broken { why, .. } => {
            let mut diagnostics = why.diagnostics.to_vec();
            names::show_in(site, &mut diagnostics);
            Failure::Diagnostics(diagnostics)
        }
        other => Failure::Invalid(other.to_string()),
    }
}

/// Reads a file or stdin, up to the limit of a context.
fn read(file: &Path, limits: &Limits) -> Result<Vec<u8>, Failure> {
    let wrong = |error: std::io::Error| Failure::Wrong(format!("`{}` cannot be read: {error}", file.display()));
    let input: Box<dyn Read> = match file.as_os_str() == "-" {
        true => Box::new(std::io::stdin().lock()),
        false => Box::new(std::fs::File::open(file).map_err(wrong)?),
    };
    let mut bytes = Vec::new();
    let limit = limits.context_bytes;
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    input.take(most).read_to_end(&mut bytes).map_err(wrong)?;
    match bytes.len() > limit {
        true => Err(Failure::Invalid(format!(
            "the data is larger than {limit} bytes (the limit `context_bytes`)"
        ))),
        false => Ok(bytes),
    }
}

/// Returns the failure for an error in the data.
fn in_file(fault: Diagnostic, file: &Path) -> Failure {
    Failure::Diagnostics(vec![of_file(fault, file)])
}

/// Returns a diagnostic that names the file of the data.
fn of_file(mut finding: Diagnostic, file: &Path) -> Diagnostic {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .filter(|name| *name != "-");
    let name = name.unwrap_or("stdin");
    finding.template = TemplateName::new(name).ok();
    finding
}
