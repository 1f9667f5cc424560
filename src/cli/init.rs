//! `hotplate init`: a small site to begin with.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::terminal::Terminal;
use super::{Failure, Format};

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where to; it is made if it is not there
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Sentences, or one JSON object
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

macro_rules! starter {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("starter/", $path)))),*]
    };
}

/// Paths and texts.
const STARTER: &[(&str, &str)] = starter![
    "hotplate.toml",
    "templates/index.html",
    "templates/about.html",
    "templates/404.html",
    "templates/maintenance.html",
    "templates/_layout/head.html",
    "templates/_layout/foot.html",
    "data/_all.json",
    "data/index.json",
    "data/about.json",
    "data/404.json",
    "static/site.css",
];

impl Init {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let directory = &self.directory;
        self.refuse_to_overwrite()?;
        for (path, text) in STARTER {
            write(&directory.join(path), text)?;
        }
        let mut terminal = Terminal::stdout();
        let next = format!("hotplate dev {}", quoted(directory));
        match self.format {
            Format::Human => {
                for (path, _) in STARTER {
                    terminal.line(format_args!("wrote {}", directory.join(path).display()))?;
                }
                terminal.line(format_args!("\nnext: {next}"))?;
            }
            Format::Json => {
                let written: Vec<&str> = STARTER.iter().map(|(path, _)| *path).collect();
                terminal.line(json!({ "directory": directory, "written": written, "next": next }))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Before anything is written: half a site is worse than none.
    fn refuse_to_overwrite(&self) -> Result<(), Failure> {
        let directory = self.directory.display();
        match std::fs::metadata(&self.directory) {
            Ok(found) if !found.is_dir() => {
                return Err(Failure::Wrong(format!(
                    "`{directory}` is a file: name a directory that is new"
                )));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Failure::Wrong(format!("`{directory}` cannot be opened: {error}"))),
        }
        // `symlink_metadata`, for a link that leads nowhere is in the way as well.
        let taken = STARTER.iter().map(|(path, _)| *path);
        let taken: Vec<&str> = taken
            .filter(|path| self.directory.join(path).symlink_metadata().is_ok())
            .collect();
        match taken[..] {
            [] => Ok(()),
            [first, ..] => Err(Failure::Wrong(format!(
                "`{directory}` has a `{first}` already, and nothing is overwritten: name a directory that is new, or try \
                 `hotplate dev {}` on this one",
                quoted(&self.directory)
            ))),
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Failed(format!("`{}` cannot be written: {error}", path.display()));
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    // Who comes between the look and the write is not overwritten either.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

/// For a shell, where it needs quotes.
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
