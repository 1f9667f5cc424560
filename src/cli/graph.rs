//! `hotplate graph`: the calls between templates.

use std::fmt::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use hotplate::messages::Edge;
use hotplate::site::Site;
use hotplate::{Builder, TemplateName};
use serde_json::json;

use super::setup::CommandSetup;
use super::terminal::Terminal;
use super::{Directory, Failure, start};

#[derive(Debug, Args)]
pub(crate) struct Graph {
    #[command(flatten)]
    pub(crate) directory: Directory,
    #[command(flatten)]
    drawn: GraphOptions,
}

/// The options of the command.
#[derive(Debug, Args)]
pub(crate) struct GraphOptions {
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Each template, and below it the templates that it calls
    Text,
    /// For Graphviz
    Dot,
    /// One object
    Json,
}

/// A template, and true if it is a page.
type Node = (TemplateName, bool);

impl Graph {
    pub(crate) fn run(&self, setup: &CommandSetup) -> Result<ExitCode, Failure> {
        let site = self.directory.open(setup)?;
        self.drawn.run(&site, setup.config().apply(site.builder()))
    }
}

impl GraphOptions {
    pub(super) fn run(&self, site: &Site, builder: Builder) -> Result<ExitCode, Failure> {
        let hotplate = start(site, builder.watch(false))?;
        let mut edges = super::block_on(hotplate.edges())?.map_err(|error| Failure::Failed(error.to_string()))?;
        edges.sort_unstable();
        let pinned = hotplate.snapshot();
        let names = pinned.snapshot().entries().map(|(_, name, _)| name);
        let templates = names.filter(|name| site.is_template(name));
        let mut nodes: Vec<Node> = templates.map(|name| (name.clone(), site.is_entry(name))).collect();
        nodes.sort_unstable();
        let shown = match self.format {
            Format::Text => text(&nodes, &edges),
            Format::Dot => dot(&nodes, &edges),
            Format::Json => json(&nodes, &edges),
        };
        Terminal::stdout().line(shown.trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns each template with the templates that it calls below it. `edges` are sorted by caller.
fn text(nodes: &[Node], edges: &[Edge]) -> String {
    let mut text = String::new();
    for (name, _) in nodes {
        let _ = writeln!(text, "{name}");
        let first = edges.partition_point(|edge| edge.caller < *name);
        for edge in edges[first..].iter().take_while(|edge| edge.caller == *name) {
            let missing = if edge.exists {
                ""
            } else {
                " (there is no such template)"
            };
            let _ = writeln!(text, "  {}{missing}", edge.callee);
        }
    }
    text
}

/// Returns the graph in the language of Graphviz.
fn dot(nodes: &[Node], edges: &[Edge]) -> String {
    let mut dot = String::from("digraph templates {\n  rankdir=LR;\n  node [shape=box];\n");
    for (name, entry) in nodes {
        let style = if *entry { "" } else { " [style=rounded]" };
        let _ = writeln!(dot, "  {}{style};", quoted(name));
    }
    for edge in edges {
        let style = if edge.exists { "" } else { " [color=red, style=dashed]" };
        let _ = writeln!(dot, "  {} -> {}{style};", quoted(&edge.caller), quoted(&edge.callee));
    }
    dot + "}\n"
}

/// Quotes a name for DOT. Only quotes have to be escaped, because a name has no backslash.
fn quoted(name: &TemplateName) -> String {
    format!("\"{}\"", name.as_str().replace('"', "\\\""))
}

fn json(nodes: &[Node], edges: &[Edge]) -> String {
    let node = |(name, entry): &Node| json!({ "name": name, "entry": entry });
    let call = |edge: &Edge| json!({ "caller": edge.caller, "callee": edge.callee, "exists": edge.exists });
    json!({
        "templates": nodes.iter().map(node).collect::<Vec<_>>(),
        "calls": edges.iter().map(call).collect::<Vec<_>>(),
    })
    .to_string()
}
