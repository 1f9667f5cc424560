//! [`Tell`]: what a server says on stdout while it runs, in sentences or as JSON.

use std::io;

use hotplate::config::{Changes, ConfigError};
use hotplate::site::Site;
use hotplate::{CallError, Event, Hotplate, ReloadReport};
use serde_json::Value;

use super::lines::{self, VersionLine};
use super::story::{self, Story};
use super::terminal::Terminal;
use super::{Format, names};

/// What a server says on stdout.
pub(crate) struct Tell {
    site: Site,
    voice: Voice,
}

enum Voice {
    /// In sentences.
    People(Box<Story>),
    /// One JSON object on each line.
    Programs(Terminal),
    /// To nobody any more.
    Nobody,
}

impl Tell {
    pub(crate) fn new(site: &Site, format: Format) -> Self {
        Self {
            site: site.clone(),
            voice: match format {
                Format::Human => Voice::People(Box::new(Story::new(site))),
                Format::Json => Voice::Programs(Terminal::stdout()),
            },
        }
    }

    /// The same about another site in the directory.
    pub(crate) fn again(&self, site: &Site) -> Self {
        match &self.voice {
            Voice::People(_) => Self::new(site, Format::Human),
            Voice::Programs(_) => Self::new(site, Format::Json),
            Voice::Nobody => Self {
                site: site.clone(),
                voice: Voice::Nobody,
            },
        }
    }

    /// What was taken for a plain folder has become a site, which is served from now on.
    pub(crate) fn became_a_site(&mut self) -> io::Result<()> {
        match &mut self.voice {
            Voice::People(story) => {
                story.line("there is a `templates/` now, so this is a site and no plain folder any more")
            }
            Voice::Programs(_) | Voice::Nobody => Ok(()),
        }
    }

    /// Says nothing from now on: nobody listens.
    pub(crate) fn fall_silent(&mut self) {
        self.voice = Voice::Nobody;
    }

    /// What there is at the beginning.
    pub(crate) fn started(&mut self, hotplate: &Hotplate, url: &str, admin: Option<&str>, took: u64) -> io::Result<()> {
        let pinned = hotplate.snapshot();
        let snapshot = pinned.snapshot();
        let templates = snapshot
            .entries()
            .filter(|(_, name, _)| self.site.is_template(name))
            .count();
        let first_page = (templates == 0).then(|| self.first_page());
        match &mut self.voice {
            Voice::People(story) => {
                let directory = self.site.directory().display();
                let (templates, version) = (names::count(templates, "template"), snapshot.version());
                let took = story::duration(took);
                story.line(&format!(
                    "hotplate serves {directory}: {templates}, version {version} ({took})"
                ))?;
                story.line(&format!("open {url} (end with Ctrl-C)"))?;
                if let Some(admin) = admin {
                    story.line(&format!("operators look at {admin}"))?;
                }
                if let Some(first_page) = first_page {
                    story.line(&format!("there is no template yet: save one as {first_page}"))?;
                }
                story.line("")?;
                story.wrong(&hotplate.diagnostics(), snapshot)
            }
            Voice::Programs(_) => {
                self.json(&serde_json::to_value(VersionLine::of_all(&self.site, hotplate, took))?)?;
                self.json(&lines::listening(url, admin))
            }
            Voice::Nobody => Ok(()),
        }
    }

    /// An event of the engine.
    pub(crate) fn event(&mut self, event: &Event, hotplate: &Hotplate) -> io::Result<()> {
        match &mut self.voice {
            Voice::People(story) => story.event(event, hotplate),
            Voice::Programs(_) => lines::event(&self.site, event).map_or(Ok(()), |line| self.json(&line)),
            Voice::Nobody => Ok(()),
        }
    }

    /// What came of a SIGHUP that the configuration allowed.
    pub(crate) fn reloaded(&mut self, changes: &Changes, report: &Result<ReloadReport, CallError>) -> io::Result<()> {
        let Changes { live, restart, .. } = changes;
        match (&mut self.voice, report) {
            (Voice::People(story), Ok(report)) => {
                let mut said = format!("reloaded: version {}", report.version);
                let paths = |changes: &[_]| {
                    changes
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<String>>()
                        .join(", ")
                };
                if !live.is_empty() {
                    said += &format!("; set {}", paths(live));
                }
                if !restart.is_empty() {
                    said += &format!("; needs a restart: {}", paths(restart));
                }
                if let more @ 1.. = report.not_current.len() {
                    said += &format!("; {} not served as written last", names::count(more, "template"));
                }
                story.line(&said)
            }
            (Voice::People(story), Err(error)) => story.line(&format!("the reload has no answer: {error}")),
            (Voice::Programs(_), Ok(report)) => self.json(&lines::reloaded(&self.site, live, restart, report)),
            (Voice::Programs(_), Err(error)) => self.json(&lines::refused(&error.to_string(), None)),
            (Voice::Nobody, _) => Ok(()),
        }
    }

    /// A SIGHUP that the configuration did not allow.
    pub(crate) fn refused(&mut self, error: &ConfigError) -> io::Result<()> {
        match &mut self.voice {
            Voice::People(story) => {
                story.line("not reloaded: the configuration is wrong, and what held goes on")?;
                error.findings.iter().try_for_each(|finding| story.finding(finding))
            }
            Voice::Programs(_) => self.json(&lines::refused("the configuration is wrong", Some(error))),
            Voice::Nobody => Ok(()),
        }
    }

    /// The server comes to an end.
    pub(crate) fn stopping(&mut self, drain_ms: u64) -> io::Result<()> {
        match &mut self.voice {
            Voice::Programs(_) => self.json(&lines::stopping(drain_ms)),
            Voice::People(_) | Voice::Nobody => Ok(()),
        }
    }

    /// It has.
    pub(crate) fn stopped(&mut self, drained: bool) -> io::Result<()> {
        match &mut self.voice {
            Voice::Programs(_) => self.json(&lines::stopped(drained)),
            Voice::People(_) | Voice::Nobody => Ok(()),
        }
    }

    fn json(&mut self, line: &Value) -> io::Result<()> {
        match &mut self.voice {
            Voice::Programs(terminal) => terminal.line(line),
            Voice::People(_) | Voice::Nobody => Ok(()),
        }
    }

    fn first_page(&self) -> String {
        self.site.template_directory().join("index.html").display().to_string()
    }
}
