//! The worked examples of `CONTRIBUTING.md` change code that is there: what they keep and what they take away stands in the
//! files they name, in that order.

use std::fs;
use std::path::Path;

/// A change to a file, as the document shows it: hunks of lines, each with the mark before it.
struct Change<'a> {
    file: &'a str,
    hunks: Vec<Vec<&'a str>>,
}

#[test]
fn what_the_examples_change_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let document = fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let changes = changes(&document);
    assert!(changes.len() >= 6, "only {} changes found", changes.len());
    for Change { file, hunks } in &changes {
        let text = fs::read_to_string(root.join(file)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let mut from = 0;
        for hunk in hunks {
            let old: Vec<&str> = hunk
                .iter()
                .filter(|line| !line.starts_with('+'))
                .map(|line| line.get(1..).unwrap_or_default())
                .collect();
            let found = lines[from..].windows(old.len()).position(|lines| lines == old);
            let Some(found) = found else {
                panic!("CONTRIBUTING.md changes what is not in `{file}`:\n{}", old.join("\n"));
            };
            from += found + old.len();
        }
    }
}

/// The blocks marked `diff`, each of the file that the paragraph before it begins with.
fn changes(document: &str) -> Vec<Change<'_>> {
    let mut changes: Vec<Change> = Vec::new();
    let (mut file, mut is_inside) = ("", false);
    for line in document.lines() {
        match line {
            "```diff" => {
                is_inside = true;
                changes.push(Change {
                    file,
                    hunks: vec![Vec::new()],
                });
            }
            "```" => is_inside = false,
            line if is_inside => {
                let hunks = changes.last_mut().map(|change| &mut change.hunks).unwrap();
                match line {
                    "@@" => hunks.push(Vec::new()),
                    line => hunks.last_mut().unwrap().push(line),
                }
            }
            line => {
                if let Some((name, _)) = line.strip_prefix("In `").and_then(|rest| rest.split_once('`')) {
                    file = name;
                }
            }
        }
    }
    changes
}
