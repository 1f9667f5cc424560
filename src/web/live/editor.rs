//! [`Editor`]: the editor that links in the overlay open.

use std::path::Path;
use std::str::FromStr;

use crate::percent::percent_encoded;

/// An editor that opens a line of a file by a link.
///
/// ```
/// use hotplate::web::Editor;
///
/// let by_name: Editor = "zed".parse()?;
/// let by_template: Editor = "emacs://open?url=file://{file}&line={line}&column={column}".parse()?;
/// assert!("javascript:{file}".parse::<Editor>().is_err());
/// # Ok::<(), hotplate::web::EditorError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Editor(String);

/// The error for a text that is neither the name of an editor nor a link to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditorError(String);

/// The supported editors by name, with their links.
const KNOWN: [(&str, &str); 6] = [
    ("vscode", "vscode://file{file}:{line}:{column}"),
    ("vscodium", "vscodium://file{file}:{line}:{column}"),
    ("cursor", "cursor://file{file}:{line}:{column}"),
    ("zed", "zed://file{file}:{line}:{column}"),
    ("idea", "idea://open?file={file}&line={line}&column={column}"),
    ("subl", "subl://open?url=file://{file}&line={line}&column={column}"),
];

/// Schemes whose links browsers execute instead of opening a program.
const RUNS: [&str; 3] = ["javascript", "data", "vbscript"];

impl Default for Editor {
    fn default() -> Self {
        Self(KNOWN[0].1.to_owned())
    }
}

impl FromStr for Editor {
    type Err = EditorError;

    /// Parses the name of an editor (`vscode`, `vscodium`, `cursor`, `zed`, `idea`, `subl`), or a link with `{file}` and optionally
    /// `{line}` and `{column}`.
    fn from_str(text: &str) -> Result<Self, EditorError> {
        if let Some((_, link)) = KNOWN.iter().find(|(name, _)| *name == text) {
            return Ok(Self((*link).to_owned()));
        }
        let scheme = text.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        let valid = scheme.is_some_and(|scheme| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
            scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme.bytes().all(plain)
                && !RUNS.contains(&scheme.as_str())
        });
        match valid && text.contains("{file}") && !text.contains(char::is_control) {
            true => Ok(Self(text.to_owned())),
            false => Err(EditorError(text.to_owned())),
        }
    }
}

impl Editor {
    /// Returns the link to a position in a file.
    pub(super) fn link(&self, file: &Path, line: u32, column: u32) -> String {
        self.0
            .replace("{line}", &line.to_string())
            .replace("{column}", &column.to_string())
            .replace("{file}", &percent_encoded(&file.to_string_lossy()))
    }
}

impl std::fmt::Display for EditorError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = KNOWN.map(|(name, _)| name).join(", ");
        write!(
            f,
            "`{}` is not an editor: use one of {known}, or a link with `{{file}}`, `{{line}}` and `{{column}}`",
            self.0
        )
    }
}

impl std::error::Error for EditorError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_open_a_position() {
        let file = Path::new("/a b/\"ü\"/{line}.html");
        for (editor, expected) in [
            ("vscode", "vscode://file/a%20b/%22%C3%BC%22/%7Bline%7D.html:3:7"),
            (
                "idea",
                "idea://open?file=/a%20b/%22%C3%BC%22/%7Bline%7D.html&line=3&column=7",
            ),
            ("x-ed:{file}#{line}", "x-ed:/a%20b/%22%C3%BC%22/%7Bline%7D.html#3"),
        ] {
            let editor: Editor = editor.parse().expect("an editor");
            assert_eq!(editor.link(file, 3, 7), expected);
        }
        assert_eq!(Editor::default(), "vscode".parse().expect("an editor"));
    }

    #[test]
    fn executable_schemes_are_rejected() {
        for text in [
            "",
            "emacs",
            "javascript:alert('{file}')",
            "JavaScript:{file}",
            "data:{file}",
            "ed:nothing",
            "1:{file}",
        ] {
            let refused = text.parse::<Editor>().expect_err(text);
            assert!(refused.to_string().contains("vscode"), "{refused}");
        }
    }
}
