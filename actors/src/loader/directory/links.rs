//! [`resolve`]: where a path leads, one component at a time, and every name on the way that could lead it elsewhere.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use super::disk::{Disk, Kind};

/// A name that was looked up on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LinkStep {
    /// A real directory.
    pub(super) directory: PathBuf,
    pub(super) name: OsString,
}

impl LinkStep {
    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResolvedPath {
    /// The real path, without any link in it; absent if it leads nowhere.
    pub(super) target: Option<PathBuf>,
    /// The links on the way, what is missing, and the target and its directory in theirs: if one of these changes, it may lead
    /// elsewhere.
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

/// What an absolute path begins with before its first name.
fn top(path: &Path) -> PathBuf {
    path.components()
        .take_while(|component| matches!(component, Component::Prefix(_) | Component::RootDir))
        .collect()
}

/// Whether a path leads through more links than `hops_max`.
pub(super) fn leads_too_far(disk: &dyn Disk, path: &Path, hops_max: usize) -> bool {
    resolve(disk, path, hops_max) != resolve(disk, path, hops_max.saturating_add(1))
}

/// Follows an absolute path, through as many links as `hops_max`.
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
