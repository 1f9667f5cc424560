//! The directories that an engine writes, which must be apart from those that it loads.

use std::path::{Path, PathBuf};

use crate::engine::StartError;

/// Checks that no directory that is written is inside one that is loaded, or the other way round. Each write would be a change of the
/// templates, which publishes a version, which is written.
pub(super) fn check_apart<'p>(
    written: impl IntoIterator<Item = (&'static str, &'p Path)>,
    roots: &[&Path],
) -> Result<(), StartError> {
    for (what, directory) in written {
        let real = real(directory);
        let nested = roots.iter().find(|root| {
            let root = self::real(root);
            real.starts_with(&root) || root.starts_with(&real)
        });
        if let Some(root) = nested {
            return Err(StartError::Nested {
                what,
                directory: directory.to_owned(),
                root: (*root).to_owned(),
            });
        }
    }
    Ok(())
}

/// Returns a path without links, as far as it exists: the engine creates the rest.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let existing = absolute
        .ancestors()
        .find_map(|above| Some((above, above.canonicalize().ok()?)));
    let joined = existing.and_then(|(above, real)| Some(real.join(absolute.strip_prefix(above).ok()?)));
    joined.unwrap_or(absolute)
}
