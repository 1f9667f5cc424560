//! `hotplate init`: a small site to begin with.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::terminal::Terminal;
use super::{Failure, Format};

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The directory of the site; it is created if it does not exist
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Language of its templates
    #[arg(long, value_enum, default_value_t = StarterDialect::Tiny)]
    dialect: StarterDialect,
    /// Output format: sentences, or one JSON object
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// The language of the starter.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum StarterDialect {
    Tiny,
    Jinja,
}

macro_rules! starter {
    ($dialect:literal: $($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("starter/", $dialect, "/", $path)))),*]
    };
}

/// The files of every starter: path and text.
const SHARED: &[(&str, &str)] = starter!["shared":
    "templates/maintenance.html",
    "data/_all.json",
    "data/about.json",
    "data/404.json",
    "static/site.css",
];

const TINY: &[(&str, &str)] = starter!["tiny":
    "hotplate.toml",
    "templates/index.html",
    "templates/about.html",
    "templates/404.html",
    "templates/_layout/head.html",
    "templates/_layout/foot.html",
    "data/index.json",
];

const JINJA: &[(&str, &str)] = starter!["jinja":
    "hotplate.toml",
    "templates/index.html",
    "templates/about.html",
    "templates/404.html",
    "templates/_layout/base.html",
    "templates/_partials/macros.html",
    "data/index.json",
];

impl Init {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let directory = &self.directory;
        self.refuse_to_overwrite()?;
        for (path, text) in self.files() {
            write(&directory.join(path), text)?;
        }
        let mut terminal = Terminal::stdout();
        let next = format!("hotplate dev {}", quoted(directory));
        match self.format {
            Format::Human => {
                for (path, _) in self.files() {
                    terminal.line(format_args!("wrote {}", directory.join(path).display()))?;
                }
                terminal.line(format_args!("\nnext: {next}"))?;
            }
            Format::Json => {
                let written: Vec<&str> = self.files().map(|(path, _)| path).collect();
                terminal.line(json!({ "directory": directory, "written": written, "next": next }))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Returns the files of the starter: path and text.
    fn files(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let of_dialect = match self.dialect {
            StarterDialect::Tiny => TINY,
            StarterDialect::Jinja => JINJA,
        };
        of_dialect.iter().chain(SHARED).copied()
    }

    /// Fails if any file of the starter exists. This check comes before the first write, so that no incomplete site is left.
    fn refuse_to_overwrite(&self) -> Result<(), Failure> {
        let directory = self.directory.display();
        match std::fs::metadata(&self.directory) {
            Ok(found) if !found.is_dir() => {
                return Err(Failure::Wrong(format!("`{directory}` is a file: name a new directory")));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Failure::Wrong(format!("`{directory}` cannot be opened: {error}"))),
        }
        // `symlink_metadata` also finds broken links, which would prevent the write too.
        let taken = self.files().map(|(path, _)| path);
        let taken: Vec<&str> = taken
            .filter(|path| self.directory.join(path).symlink_metadata().is_ok())
            .collect();
        match taken[..] {
            [] => Ok(()),
            [first, ..] => Err(Failure::Wrong(format!(
                "`{directory}` has a `{first}` already, and nothing is overwritten: name a new directory, or try \
                 `hotplate dev {}` on this one",
                quoted(&self.directory)
            ))),
        }
    }
}

/// Writes a new file, and the directories above it.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Failed(format!("`{}` cannot be written: {error}", path.display()));
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    // A file that was created since the check is not overwritten either.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

/// Quotes a path for a shell, if necessary.
fn quoted(path: &Path) -> String {
    let shown = path.display().to_string();
    let plain = |character: char| character.is_alphanumeric() || "/._-~".contains(character);
    match shown.chars().all(plain) {
        true => shown,
        false => format!("'{}'", shown.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_for_the_shell() {
        for (path, expected) in [("a/b.c", "a/b.c"), ("my site", "'my site'"), ("it's", r"'it'\''s'")] {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }
}
