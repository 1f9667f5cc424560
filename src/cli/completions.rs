//! `hotplate completions`: scripts that complete this command in a shell, and the values that they offer.
//!
//! The script asks this program for each completion, so it also offers names of templates and of settings.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell};
use hotplate::config::{Kind, keys};
use hotplate::site::Site;

use super::Failure;
use super::terminal::Terminal;

/// The variable by which a script asks for completions.
const VARIABLE: &str = "HOTPLATE_COMPLETE";
/// Names of templates that are offered at most. More are of no use to somebody who types.
const TEMPLATES_MAX: usize = 2_000;
/// Directories that are read at most to find them.
const DIRECTORIES_MAX: usize = 500;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

const EXAMPLES: &str = "\
Add to the file that your shell reads at its start, for example:
  bash   ~/.bashrc                    source <(hotplate completions bash)
  zsh    ~/.zshrc                     source <(hotplate completions zsh)
  fish   ~/.config/fish/config.fish   hotplate completions fish | source";

impl Completions {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let (shells, name) = (Shells::builtins(), self.shell.to_string());
        let mut script = Vec::new();
        if let Some(shell) = shells.completer(&name) {
            shell.write_registration(VARIABLE, "hotplate", "hotplate", "hotplate", &mut script)?;
        }
        Terminal::stdout().line(String::from_utf8_lossy(&script).trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Answers the request of a script and ends the process, if it is one.
pub(crate) fn answer<C: CommandFactory>() {
    CompleteEnv::with_factory(C::command)
        .var(VARIABLE)
        .bin("hotplate")
        .complete();
}

fn candidates<'v>(values: impl IntoIterator<Item = &'v str>) -> Vec<CompletionCandidate> {
    values.into_iter().map(CompletionCandidate::new).collect()
}

/// Returns the levels of the log.
pub(crate) fn levels() -> Vec<CompletionCandidate> {
    candidates(["off", "error", "warn", "info", "debug", "trace"])
}

/// Returns the editors that are known by name.
pub(crate) fn editors() -> Vec<CompletionCandidate> {
    candidates(["vscode", "vscodium", "cursor", "zed", "idea", "subl"])
}

/// Returns the values of a flag that may be off.
pub(crate) fn flags() -> Vec<CompletionCandidate> {
    candidates(["true", "false"])
}

/// Returns each setting, with its words if it is one of some.
pub(crate) fn settings() -> Vec<CompletionCandidate> {
    let each = keys().iter().flat_map(|key| {
        let values: &[&str] = match key.kind {
            Kind::Flag => &["true", "false"],
            Kind::Choice(words) => words,
            _ => &[""],
        };
        let values = values.iter().map(|value| format!("{}={value}", key.path));
        values.map(|value| CompletionCandidate::new(value).help(Some(key.about.into())))
    });
    each.collect()
}

/// Returns the names of the templates in the directory that the command line names.
pub(crate) fn templates() -> Vec<CompletionCandidate> {
    let words = std::env::args_os().skip_while(|word| word != "--").skip(2);
    let directory = words.map(PathBuf::from).find(|word| word.is_dir());
    let site = directory.and_then(|directory| Site::guess(directory).ok());
    let names = site.map(|site| names(&site)).unwrap_or_default();
    candidates(names.iter().map(String::as_str))
}

/// Returns the names of the files that are templates by their extensions. The templates are not loaded, because somebody waits.
fn names(site: &Site) -> Vec<String> {
    let root = site.template_directory();
    let extensions = site.extensions();
    let is_template = |path: &Path| match (&extensions, path.extension().and_then(|extension| extension.to_str())) {
        (Some(known), Some(extension)) => known.iter().any(|known| known == extension || known == "*"),
        (Some(_), None) => false,
        (None, _) => true,
    };
    let (mut names, mut directories, mut read) = (Vec::new(), vec![root.clone()], 0);
    while let Some(directory) = directories.pop() {
        read += 1;
        if names.len() >= TEMPLATES_MAX || read > DIRECTORIES_MAX {
            break;
        }
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            match entry.file_type() {
                _ if is_hidden => {}
                Ok(kind) if kind.is_dir() => directories.push(path),
                _ if !is_template(&path) => {}
                _ => {
                    let name = path.strip_prefix(&root).ok().and_then(Path::to_str);
                    names.extend(name.map(|name| name.replace(std::path::MAIN_SEPARATOR, "/")));
                }
            }
        }
    }
    names.sort_unstable();
    names.truncate(TEMPLATES_MAX);
    names
}
