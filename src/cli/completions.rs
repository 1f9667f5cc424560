//! `hotplate completions`: scripts that complete this command in a shell.

use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;

use super::Failure;
use super::terminal::Terminal;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

const EXAMPLES: &str = "\
For example:
  hotplate completions bash > ~/.local/share/bash-completion/completions/hotplate
  hotplate completions zsh  > \"${fpath[1]}/_hotplate\"
  hotplate completions fish > ~/.config/fish/completions/hotplate.fish";

impl Completions {
    pub(crate) fn run(&self, mut command: clap::Command) -> Result<ExitCode, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "hotplate", &mut script);
        Terminal::stdout().line(String::from_utf8_lossy(&script).trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}
