//! `hotplate token`: makes a token for a person or a program.

use std::process::ExitCode;

use clap::Args;
use hotplate::admin::{Subject, new_token, token_hash};

use super::terminal::Terminal;
use super::{Failure, Format};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Token {
    /// The person or program that will have the token
    #[arg(value_name = "NAME")]
    name: String,
    /// The tenants that it may concern: ids, `shared` for the pages of everyone, `*` for all
    #[arg(long, value_name = "TENANTS", default_value = "*")]
    tenants: String,
    /// Its permissions: some of render, read, publish, promote, admin
    #[arg(long, value_name = "PERMISSIONS", default_value = "read")]
    may: String,
    /// The format of the output
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

const EXAMPLES: &str = "\
The token is shown once. The settings have only its hash, from which nobody can find it.

For example:
  hotplate token ci --may read,publish
  hotplate token acme-support --tenants acme --may read";

impl Token {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let Self {
            name,
            tenants,
            may,
            format,
        } = self;
        let token =
            new_token().map_err(|error| Failure::Failed(format!("the system has no random numbers: {error}")))?;
        let hash = token_hash(&token);
        Subject::parse(&format!(
            "name = {name}; token_hash = {hash}; tenants = {tenants}; may = {may}"
        ))
        .map_err(|error| Failure::Wrong(error.to_string()))?;
        let list = |text: &str| {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            words.map(str::to_owned).collect::<Vec<_>>()
        };
        let text = match format {
            Format::Json => serde_json::json!({
                "name": name, "token": token, "token_hash": hash, "tenants": list(tenants), "may": list(may)
            })
            .to_string(),
            // Debug writes the words as TOML does, because they are plain ASCII.
            Format::Human => format!(
                "The token of {name}, which is not shown again:\n  {token}\n\nAdd this to hotplate.toml and restart:\n  [[admin.subject]]\n  \
                 name = {name:?}\n  token_hash = {hash:?}\n  tenants = {:?}\n  may = {:?}",
                list(tenants),
                list(may)
            ),
        };
        Terminal::stdout().line(text)?;
        Ok(ExitCode::SUCCESS)
    }
}
