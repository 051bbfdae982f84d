//! Words and paths in the text of a shell script.

use crate::failure::BadInput;
use anyhow::Result;
use std::path::Path;

/// `text` as one word of a POSIX shell, which means exactly these characters.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Words of a command, each quoted where it must be.
pub(crate) fn command(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// The path as text that a script can hold.
///
/// # Errors
/// If it is not UTF-8, or has a line break or a backslash: Slurm takes a backslash in the name of a log for something else.
pub(crate) fn path(path: &Path) -> Result<String> {
    let text = path.to_str().filter(|text| !text.contains(['\n', '\r', '\\']));
    match text {
        Some(text) => Ok(text.to_owned()),
        None => {
            let message = format!("`{}` cannot be named in a script", path.display());
            let hint = "a path of UTF-8 characters without line breaks and backslashes can";
            Err(BadInput::new(message).hint(hint).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn plain_words_stay_as_they_are() {
        assert_eq!(quoted("--cell"), "--cell");
        assert_eq!(quoted("/a/b_c.toml"), "/a/b_c.toml");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    /// The shell is the judge.
    #[test]
    #[cfg(unix)]
    fn a_shell_reads_the_same_words() {
        let words = [
            "",
            "a  b",
            "$HOME",
            "`id`",
            "it's \"so\"",
            "*",
            "a\\b",
            "!x",
            "~",
            "#",
            "ü\nv",
            "a;b&c|d>e",
        ];
        let text = command(&words.map(str::to_owned));
        let script = format!("for word in {text}; do printf '%s\\0' \"$word\"; done");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        let read = String::from_utf8(output.stdout).unwrap();
        assert_eq!(read.split_terminator('\0').collect::<Vec<_>>(), words);
    }

    #[test]
    fn paths_that_no_script_can_hold_are_refused() {
        assert_eq!(path(Path::new("/a b/c'd")).unwrap(), "/a b/c'd");
        for bad in ["/a\nb", "/a\\b"] {
            let error = path(Path::new(bad)).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("`{bad}` cannot be named in a script")),
                "{error}"
            );
        }
    }
}
