//! The options that name a scope, and `hotplate explain`, which shows what a look-up in one finds.

use std::process::ExitCode;

use clap::Args;
use hotplate::site::Site;
use hotplate::template::{Scope, Stage, Tenant};
use hotplate::{Builder, Explanation, Hotplate, OnFailure};
use serde_json::json;

use super::setup::CommandSetup;
use super::terminal::Terminal;
use super::{Directory, Failure, Format, start};

/// A scope.
#[derive(Debug, Clone, Args)]
pub(crate) struct ScopeArguments {
    /// The tenant, a directory in `tenants/`; without it, what everyone gets
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// The stage: `stable`, `canary` or `experimental`
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
}

impl ScopeArguments {
    /// Returns the scope.
    pub(super) fn scope(&self) -> Result<Scope, Failure> {
        let tenant = self.tenant.as_deref().map(Tenant::new).transpose();
        let stage = match &self.stage {
            None => Some(Stage::Stable),
            Some(stage) => Stage::of(stage),
        };
        Ok(Scope {
            tenant: tenant.map_err(|error| Failure::Wrong(format!("--tenant: {error}")))?,
            stage: stage.ok_or_else(|| {
                let stage = self.stage.as_deref().unwrap_or_default();
                Failure::Wrong(format!(
                    "--stage: there is no stage `{stage}`: write `stable`, `canary` or `experimental`"
                ))
            })?,
        })
    }

    /// Returns the scope, whose tenant exists.
    pub(super) fn existing(&self, hotplate: &Hotplate) -> Result<Scope, Failure> {
        let scope = self.scope()?;
        if let Some(tenant) = scope.tenant.as_ref().filter(|_| !hotplate.scope(&scope).exists()) {
            let tenants = hotplate.tenants();
            let all: Vec<&str> = tenants.iter().take(10).map(Tenant::as_str).collect();
            let known = match all.is_empty() {
                true => "no tenant has a template: put some into `tenants/<id>/`".to_owned(),
                false => format!(
                    "those that have one are {}{}",
                    all.join(", "),
                    if tenants.len() > all.len() { ", …" } else { "" }
                ),
            };
            return Err(Failure::Invalid(format!(
                "tenant `{}` has no template; {known}",
                tenant.as_str()
            )));
        }
        Ok(scope)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) directory: Directory,
    /// The template, such as `mail/order.txt`
    name: String,
    #[command(flatten)]
    scope: ScopeArguments,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

impl Explain {
    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let site = self.directory.open(setup)?;
        self.explain(&site, setup.config().apply(site.builder()))
    }

    fn explain(&self, site: &Site, builder: Builder) -> Result<ExitCode, Failure> {
        let hotplate = start(site, builder.watch(false).on_failure(OnFailure::Return))?;
        let scope = self.scope.existing(&hotplate)?;
        let explanation = hotplate.scope(&scope).explain(&self.name);
        let mut terminal = Terminal::stdout();
        match self.format {
            Format::Human => self.print(&explanation, &mut terminal)?,
            Format::Json => terminal.line(json!({ "name": self.name, "explanation": explanation }))?,
        }
        match explanation.status {
            Some(_) => Ok(ExitCode::SUCCESS),
            None => Ok(ExitCode::from(super::failure::FOUND)),
        }
    }

    fn print(&self, explanation: &Explanation, terminal: &mut Terminal) -> Result<(), Failure> {
        terminal.line(format_args!("`{}` is looked up in these layers:", self.name))?;
        for layer in &explanation.layers {
            let found = match (layer.has_text, layer.is_used) {
                (false, _) => "no text",
                (true, true) => "this text is used",
                (true, false) => "a text that is not used",
            };
            terminal.line(format_args!("  {}: {found}", layer.layer))?;
        }
        match explanation.status {
            None => terminal.line("there is no such template in this scope")?,
            Some(status) => terminal.line(format_args!("it is {}", status.as_str()))?,
        }
        for fault in explanation.why.iter().flat_map(|why| why.diagnostics.iter()) {
            terminal.diagnostic(fault)?;
        }
        Ok(())
    }
}
