//! [`resolve`]: the target of a path, resolved one component at a time, and every name on the way that could change it.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use super::disk::{Disk, Kind};

/// A name on the way whose change may change the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LinkStep {
    /// A directory by its real path.
    pub(super) directory: PathBuf,
    pub(super) name: OsString,
}

impl LinkStep {
    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }
}

/// The outcome of resolving a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResolvedPath {
    /// The real path, without any link in it; absent if a link dangles.
    pub(super) target: Option<PathBuf>,
    /// The links on the way, the first missing name, and the last two components of the target. If none of these changes, the target
    /// stays the same.
    pub(super) through: Vec<LinkStep>,
}

enum PathComponent {
    Name(OsString),
    Up,
}

fn parts(path: &Path) -> impl DoubleEndedIterator<Item = PathComponent> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(PathComponent::Name(name.to_owned())),
        Component::ParentDir => Some(PathComponent::Up),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    })
}

/// Returns the part of an absolute path before its first name.
fn top(path: &Path) -> PathBuf {
    path.components()
        .take_while(|component| matches!(component, Component::Prefix(_) | Component::RootDir))
        .collect()
}

/// Returns true if a path leads through more links than `hops_max`.
pub(super) fn leads_too_far(disk: &dyn Disk, path: &Path, hops_max: usize) -> bool {
    resolve(disk, path, hops_max) != resolve(disk, path, hops_max.saturating_add(1))
}

/// Resolves an absolute path through up to `hops_max` links (path_resolution(7)).
pub(super) fn resolve(disk: &dyn Disk, path: &Path, hops_max: usize) -> ResolvedPath {
    let (mut through, mut hops) = (Vec::new(), 0);
    let mut real = top(path);
    let mut rest: Vec<PathComponent> = parts(path).rev().collect();
    while let Some(part) = rest.pop() {
        let name = match part {
            PathComponent::Name(name) => name,
            PathComponent::Up => {
                real.pop();
                continue;
            }
        };
        let next = real.join(&name);
        let step = || LinkStep {
            directory: real.clone(),
            name: name.clone(),
        };
        match disk.stat(&next).map(|stat| stat.kind) {
            Ok(Kind::Link) => {
                through.push(step());
                hops += 1;
                let target = match disk.link(&next) {
                    Ok(target) if hops <= hops_max => target,
                    _ => return ResolvedPath { target: None, through },
                };
                if target.is_absolute() {
                    real = top(&target);
                }
                rest.extend(parts(&target).rev());
            }
            Ok(_) => real = next,
            Err(_) => {
                through.push(step());
                return ResolvedPath { target: None, through };
            }
        }
    }
    let named = real
        .ancestors()
        .filter_map(|path| Some((path.parent()?, path.file_name()?)));
    through.extend(named.take(2).map(|(directory, name): (&Path, &OsStr)| LinkStep {
        directory: directory.to_owned(),
        name: name.to_owned(),
    }));
    ResolvedPath {
        target: Some(real),
        through,
    }
}
