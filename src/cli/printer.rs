//! [`EventPrinter`]: the events of `dev`, `serve` and `watch` on stdout.
//!
//! The three commands report one stream of [`ServerEvent`]s, each made in one place from an event of the engine or of the server. A
//! view decides how an event looks: `--format json` writes each as one object on a line (`docs/command.md` describes them), `dev` and
//! `serve` write [`Sentences`] for the author of the templates, and `watch` one line for each version. So all of them agree.

mod event;
mod sentences;

use std::io;

use hotplate::config::{Changes, ConfigError};
use hotplate::site::Site;
use hotplate::{Event, Hotplate, ReloadReport, Unavailable, Version};

use super::Format;
use super::terminal::Terminal;
use event::{ServerEvent, VersionEvent};
use sentences::Sentences;

pub(crate) use event::{Listening, dropped_lines};

/// The writer of events on stdout, in the view that the command asked for.
pub(crate) struct EventPrinter {
    site: Site,
    view: View,
}

enum View {
    /// Sentences for the author of the templates.
    Sentences(Box<Sentences>),
    /// One line for each version, and nothing else.
    Versions(Terminal),
    /// One JSON object on each line.
    Json(Terminal),
    /// Nothing, because stdout is closed.
    Silent,
}

impl EventPrinter {
    /// Creates the printer of a server: every event.
    pub(crate) fn new(site: &Site, format: Format) -> Self {
        let view = match format {
            Format::Human => View::Sentences(Box::new(Sentences::new(site))),
            Format::Json => View::Json(Terminal::stdout()),
        };
        Self::with_view(site, view)
    }

    /// Creates the printer of `watch`, which receives only versions.
    pub(crate) fn of_versions(site: &Site, format: Format) -> Self {
        let view = match format {
            Format::Human => View::Versions(Terminal::stdout()),
            Format::Json => View::Json(Terminal::stdout()),
        };
        Self::with_view(site, view)
    }

    fn with_view(site: &Site, view: View) -> Self {
        let site = site.clone();
        Self { site, view }
    }

    /// Creates a printer with the same view for another site in the same directory.
    pub(crate) fn again(&self, site: &Site) -> Self {
        let view = match &self.view {
            View::Sentences(_) => View::Sentences(Box::new(Sentences::new(site))),
            View::Versions(_) => View::Versions(Terminal::stdout()),
            View::Json(_) => View::Json(Terminal::stdout()),
            View::Silent => View::Silent,
        };
        Self::with_view(site, view)
    }

    /// Prints nothing from now on.
    pub(crate) fn fall_silent(&mut self) {
        self.view = View::Silent;
    }

    /// Reports the version that a server starts with, and its addresses.
    pub(crate) fn started(&mut self, hotplate: &Hotplate, listening: Listening<'_>, took: u64) -> io::Result<()> {
        self.first_version(hotplate, took)?;
        self.print(&ServerEvent::Listening(listening))
    }

    /// Reports the version that a command starts with, and returns its number.
    pub(crate) fn first_version(&mut self, hotplate: &Hotplate, took: u64) -> io::Result<Version> {
        let first = VersionEvent::of_everything(&self.site, hotplate, took);
        let version = first.version;
        self.print(&ServerEvent::Started(first))?;
        Ok(version)
    }

    /// Reports an event of the engine.
    pub(crate) fn event(&mut self, event: &Event, hotplate: &Hotplate) -> io::Result<()> {
        match (&self.view, ServerEvent::of_engine(event, hotplate)) {
            (View::Silent, _) | (_, None) => Ok(()),
            (_, Some(event)) => self.print(&event),
        }
    }

    /// Reports that the default address is in use, so that the server listens on another port.
    pub(crate) fn moved(&mut self, bind: &str, port: u16) -> io::Result<()> {
        match &mut self.view {
            View::Sentences(sentences) => sentences.moved(bind, port),
            View::Versions(_) | View::Json(_) | View::Silent => Ok(()),
        }
    }

    /// Reports that the directory, so far a plain folder of templates, is a site and is served as one from now on.
    pub(crate) fn became_a_site(&mut self) -> io::Result<()> {
        match &mut self.view {
            View::Sentences(sentences) => sentences.became_a_site(),
            View::Versions(_) | View::Json(_) | View::Silent => Ok(()),
        }
    }

    /// Reports the outcome of a SIGHUP whose configuration is valid.
    pub(crate) fn reloaded(&mut self, changes: &Changes, report: &Result<ReloadReport, Unavailable>) -> io::Result<()> {
        match report {
            Ok(report) => self.print(&ServerEvent::reloaded(changes, report)),
            Err(error) => self.print(&ServerEvent::NotReloaded {
                why: error.to_string(),
                findings: &[],
            }),
        }
    }

    /// Reports a SIGHUP whose configuration is invalid, so that nothing was changed.
    pub(crate) fn refused(&mut self, error: &ConfigError) -> io::Result<()> {
        self.print(&ServerEvent::NotReloaded {
            why: "the configuration is invalid, and the previous one stays in force".to_owned(),
            findings: &error.findings,
        })
    }

    /// Reports that the server accepts no more requests, and how long requests in progress may take.
    pub(crate) fn stopping(&mut self, drain_ms: u64) -> io::Result<()> {
        self.print(&ServerEvent::Stopping { drain_ms })
    }

    /// Reports the end; `drained` is true if every request in progress was answered.
    pub(crate) fn stopped(&mut self, drained: bool) -> io::Result<()> {
        self.print(&ServerEvent::Stopped { drained })
    }

    fn print(&mut self, event: &ServerEvent<'_>) -> io::Result<()> {
        match &mut self.view {
            View::Sentences(sentences) => sentences.print(event),
            View::Versions(terminal) => match event {
                ServerEvent::Started(version) | ServerEvent::Published(version) => {
                    terminal.line(sentences::version_line(version, &self.site))
                }
                _ => Ok(()),
            },
            View::Json(terminal) => terminal.line(event.json(&self.site)?),
            View::Silent => Ok(()),
        }
    }
}
