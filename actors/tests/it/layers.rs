//! The layers of the source code, as data: the modules that each module may import. The test reads every `crate::` and `super::` path of the
//! code outside of tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The actors. Each is a top-level module, and none imports another.
const ACTORS: [&str; 6] = ["watcher", "compiler", "graph", "registry", "renderer", "store_writer"];
/// The only top-level modules that import actors.
const NAME_ACTORS: [&str; 2] = ["engine", "testing"];
/// The modules that the protocol may import.
const BELOW_PROTOCOL: [&str; 10] = [
    "budget",
    "cause",
    "context",
    "diagnostic",
    "dialect",
    "snapshot",
    "supervision",
    "template",
    "value",
    "version",
];
/// Words that must not appear in the protocol, because messages are plain data.
const NOT_IN_PROTOCOL: [&str; 4] = ["Mutex", "RwLock", "Atomic", "ArcSwap"];
/// A module by its path: `["graph", "plan"]`.
type Module = Vec<String>;

/// The modules of a crate, and the modules that each imports.
struct Sources {
    texts: BTreeMap<Module, String>,
    imports: BTreeMap<Module, BTreeSet<Module>>,
}

impl Sources {
    /// Reads the crate below a directory, without the code that is compiled for tests only.
    fn read(directory: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        let mut files = Vec::new();
        find(&root, &mut files);
        let mut texts = BTreeMap::new();
        let mut tests = BTreeSet::new();
        for file in files {
            let path = file.strip_prefix(&root).expect("below the root").with_extension("");
            let mut module: Module = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if module.len() == 1 && (module[0] == "lib" || module[0] == "main") {
                module.clear();
            }
            let text = without_comments(&fs::read_to_string(&file).expect("text"));
            let (text, inside, beside) = without_tests(&text);
            assert!(!inside.is_empty() || !text.is_empty(), "{}", file.display());
            tests.extend(beside.into_iter().map(|name| [module.as_slice(), &[name]].concat()));
            texts.insert(module, text);
        }
        texts.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        let mut imports: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
        for (module, text) in &texts {
            let found = paths(text)
                .into_iter()
                .filter_map(|path| resolve(module, &path, &texts));
            let found = found.filter(|imported| imported != module && !imported.is_empty());
            imports.insert(module.clone(), found.collect());
        }
        Self { texts, imports }
    }

    /// Returns the top-level modules that a top-level module imports.
    fn imports_of(&self, name: &str) -> BTreeSet<&str> {
        let of_module = self
            .imports
            .iter()
            .filter(|(module, _)| module.first().is_some_and(|first| first == name));
        let imported = of_module
            .flat_map(|(_, imported)| imported)
            .map(|module| module[0].as_str());
        imported.filter(|other| *other != name).collect()
    }

    /// Returns the import cycles among the modules of each folder. A cycle of modules without a folder counts only at the root.
    fn cycles(&self) -> BTreeSet<(String, Vec<String>)> {
        let folders: BTreeSet<&[String]> = self
            .texts
            .keys()
            .flat_map(|module| (0..module.len()).map(|end| &module[..end]))
            .collect();
        let mut cycles = BTreeSet::new();
        for folder in folders {
            let depth = folder.len();
            let is_here = |module: &Module| module.len() > depth && module.starts_with(folder);
            let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for (module, imported) in self.imports.iter().filter(|(module, _)| is_here(module)) {
                let from = module[depth].as_str();
                let to = imported.iter().filter(|to| is_here(to)).map(|to| to[depth].as_str());
                edges.entry(from).or_default().extend(to.filter(|to| *to != from));
            }
            for cycle in cycles_of(&edges) {
                let has_inside = |name: &&str| {
                    self.texts
                        .keys()
                        .any(|module| is_here(module) && module[depth] == **name && module.len() > depth + 1)
                };
                if folder.is_empty() || cycle.iter().any(has_inside) {
                    cycles.insert((folder.join("/"), cycle.into_iter().map(str::to_owned).collect()));
                }
            }
        }
        cycles
    }
}

fn find(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn without_comments(text: &str) -> String {
    let lines = text.lines().map(|line| line.find("//").map_or(line, |at| &line[..at]));
    lines.collect::<Vec<_>>().join("\n")
}

/// Splits a source file: the text without its last module `tests`, that module, and the names of modules in files of their own that are
/// compiled for tests only.
fn without_tests(text: &str) -> (String, String, Vec<String>) {
    const TEST: &str = "#[cfg(test)]\n";
    let at = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let (text, tests) = text.split_at(at);
    let beside = text.match_indices(TEST).filter_map(|(at, _)| {
        let declared = text[at + TEST.len()..].lines().next()?;
        Some(declared.trim().strip_suffix(';')?.rsplit_once("mod ")?.1.to_owned())
    });
    (text.to_owned(), tests.to_owned(), beside.collect())
}

/// Returns every path that begins with `crate::`, `self::` or `super::`, with each branch of the braces of a `use`.
fn paths(text: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    for (at, _) in text.match_indices("::") {
        let start = text[..at]
            .bytes()
            .rposition(|byte| !word(byte))
            .map_or(0, |before| before + 1);
        let first = &text[start..at];
        // A longer path is read from its beginning.
        if matches!(first, "crate" | "self" | "super") && !text[..start].ends_with("::") {
            branch(&text[start..], Vec::new(), &mut paths);
        }
    }
    paths
}

/// Parses one path, or a tree of paths. Returns the rest of the text.
fn branch<'t>(text: &'t str, mut path: Vec<String>, paths: &mut Vec<Vec<String>>) -> &'t str {
    let mut rest = text.trim_start();
    loop {
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside.trim_start();
            while !rest.is_empty() && !rest.starts_with('}') {
                let behind = branch(rest, path.clone(), paths);
                let behind = behind.find([',', '}']).map_or("", |at| &behind[at..]);
                rest = behind.strip_prefix(',').unwrap_or(behind).trim_start();
            }
            return rest.strip_prefix('}').unwrap_or_default();
        }
        let end = rest
            .find(|each: char| !each.is_alphanumeric() && each != '_')
            .unwrap_or(rest.len());
        if end > 0 {
            path.push(rest[..end].to_owned());
        }
        rest = &rest[end..];
        match rest.strip_prefix("::") {
            Some(further) if end > 0 => rest = further,
            _ => {
                paths.push(path);
                return rest;
            }
        }
    }
}

/// Resolves a path that is written in the module `from`.
fn resolve(from: &Module, path: &[String], texts: &BTreeMap<Module, String>) -> Option<Module> {
    let mut to = from.clone();
    for step in path {
        match step.as_str() {
            "crate" => to.clear(),
            "self" => {}
            "super" => _ = to.pop(),
            _ => to.push(step.clone()),
        }
    }
    while !to.is_empty() && !texts.contains_key(&to) {
        to.pop();
    }
    Some(to)
}

/// Returns the sets of names that reach each other, sorted.
fn cycles_of<'n>(edges: &BTreeMap<&'n str, BTreeSet<&'n str>>) -> BTreeSet<Vec<&'n str>> {
    let reached = |from: &'n str| {
        let mut seen = BTreeSet::new();
        let mut next = vec![from];
        while let Some(name) = next.pop() {
            let further = edges.get(name).into_iter().flatten().copied();
            next.extend(further.filter(|to| seen.insert(*to)));
        }
        seen
    };
    let reach: BTreeMap<&str, BTreeSet<&str>> = edges.keys().map(|name| (*name, reached(name))).collect();
    let cycle = |name: &'n str| {
        let back = reach[name]
            .iter()
            .filter(|to| reach.get(*to).is_some_and(|to| to.contains(name)));
        back.copied().collect::<Vec<_>>()
    };
    edges
        .keys()
        .map(|name| cycle(name))
        .filter(|cycle| !cycle.is_empty())
        .collect()
}

#[test]
fn the_protocol_imports_nothing_above_it() {
    let sources = Sources::read("src");
    let above: Vec<_> = sources
        .imports_of("protocol")
        .into_iter()
        .filter(|module| !BELOW_PROTOCOL.contains(module))
        .collect();
    assert!(above.is_empty(), "the protocol imports {above:?}");
    for module in BELOW_PROTOCOL {
        assert!(
            !sources.imports_of(module).contains("protocol"),
            "{module} is below the protocol and imports it"
        );
    }
    let of_protocol = sources
        .texts
        .iter()
        .filter(|(module, _)| module.first().is_some_and(|module| module == "protocol"));
    for (module, text) in of_protocol {
        let found: Vec<_> = NOT_IN_PROTOCOL.iter().filter(|word| text.contains(**word)).collect();
        assert!(found.is_empty(), "{module:?} contains {found:?}");
    }
}

#[test]
fn only_the_engine_names_the_actors() {
    let sources = Sources::read("src");
    let imports_of: BTreeSet<&str> = sources
        .texts
        .keys()
        .filter_map(|module| Some(module.first()?.as_str()))
        .collect();
    for actor in ACTORS {
        assert!(
            sources.imports_of("engine").contains(actor),
            "the engine names the {actor}"
        );
    }
    for module in imports_of.into_iter().filter(|module| !NAME_ACTORS.contains(module)) {
        let named: Vec<_> = sources
            .imports_of(module)
            .into_iter()
            .filter(|other| ACTORS.contains(other))
            .collect();
        assert!(named.is_empty(), "{module} imports {named:?}");
    }
}

#[test]
fn no_cycle_crosses_a_folder() {
    for directory in ["src", "../src"] {
        let cycles = Sources::read(directory).cycles();
        assert_eq!(cycles, BTreeSet::new(), "in {directory}");
    }
}

/// Checks the helpers that the other tests rely on.
#[test]
fn imports_and_cycles_are_found() {
    let text = "use crate::a::{self, b::C, d::{E, F as G}};\nfn f() { super::x::y(crate::z::W) }\nuse std::fmt;";
    let found: Vec<String> = paths(text).iter().map(|path| path.join(" ")).collect();
    assert_eq!(
        found,
        [
            "crate a self",
            "crate a b C",
            "crate a d E",
            "crate a d F",
            "super x y",
            "crate z W"
        ]
    );
    let edges = [("a", vec!["b"]), ("b", vec!["c"]), ("c", vec!["b"]), ("d", vec!["a"])];
    let edges = edges
        .map(|(from, to)| (from, to.into_iter().collect()))
        .into_iter()
        .collect();
    assert_eq!(cycles_of(&edges), BTreeSet::from([vec!["b", "c"]]));
}
