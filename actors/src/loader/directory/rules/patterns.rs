//! [`Patterns`]: patterns with the syntax and meaning of `.gitignore`.

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Lines as in gitignore(5). The last line that matches decides; one that begins with `!` negates.
#[derive(Debug, Clone)]
pub(in super::super) struct Patterns(Gitignore);

impl Patterns {
    /// Compiles patterns.
    ///
    /// # Errors
    /// A sentence with the last line that is no pattern, and why.
    pub(super) fn new(lines: &[String]) -> Result<Self, String> {
        let (patterns, mut wrong) = Self::of_lines(lines.iter().map(String::as_str));
        match wrong.pop() {
            None => Ok(patterns),
            Some(reason) => Err(reason),
        }
    }

    /// Compiles the patterns of a file. Invalid lines are left out, with a sentence for each.
    pub(in super::super) fn of_file(text: &str) -> (Self, Vec<String>) {
        Self::of_lines(text.lines())
    }

    fn of_lines<'a>(lines: impl Iterator<Item = &'a str> + Clone) -> (Self, Vec<String>) {
        let mut builder = GitignoreBuilder::new("");
        let mut wrong = Vec::new();
        let taken_back = lines.clone().any(|line| line.starts_with('!'));
        for line in lines {
            if let Err(error) = builder.add_line(None, line) {
                wrong.push(format!("`{line}` is not a pattern: {error}"));
            }
            // `logs/**` excludes all that is in `logs`, so the directory need not be watched.
            if let (Some(directory), false) = (line.strip_suffix("/**"), taken_back) {
                let _ = builder.add_line(None, &format!("{directory}/"));
            }
        }
        match builder.build() {
            Ok(patterns) => (Self(patterns), wrong),
            Err(error) => {
                wrong.push(format!("the patterns cannot be used together: {error}"));
                (Self(Gitignore::empty()), wrong)
            }
        }
    }

    /// Returns true or false if the last pattern that matches excludes or includes a name; nothing if none matches.
    pub(in super::super) fn names(&self, name: &str, directory: bool) -> Option<bool> {
        match self.0.matched(name, directory) {
            Match::None => None,
            Match::Ignore(_) => Some(true),
            Match::Whitelist(_) => Some(false),
        }
    }

    /// Returns true if they match this file or a directory above it.
    pub(super) fn name_or_above(&self, name: &str) -> bool {
        self.0.matched_path_or_any_parents(name, false).is_ignore()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_git_means() {
        let (patterns, wrong) = Patterns::of_file("# a comment\r\n*.log\n!keep.log\n/top\nlogs/\r\n[z-a]\n");
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        for (name, directory, named) in [
            ("a.log", false, Some(true)),
            ("b/a.log", false, Some(true)),
            ("keep.log", false, Some(false)),
            ("top", false, Some(true)),
            ("b/top", false, None),
            ("logs", true, Some(true)),
            ("logs", false, None),
        ] {
            assert_eq!(patterns.names(name, directory), named, "{name}");
        }
    }
}
