//! Pages over all figures of a profile and over all profiles, and the results section of a README.
//!
//! Everything here is made from [`Rendered`] figures and [`Agreement`]s, so that no page says what no run shows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::figures::{Agreement, ORIGIN, Rendered, board_explanation, count, scale_note};
use crate::{Error, files};

/// Where the section that [`splice`] replaces begins.
const BEGIN: &str = "<!-- results: begin (written by `cargo xtask report`) -->";
/// Where it ends.
const END: &str = "<!-- results: end -->";

/// The figures of a profile.
#[derive(Clone, Copy, Debug)]
pub struct ProfileGallery<'a> {
    /// The profile's name.
    pub profile: &'a str,
    /// What it is, in a sentence.
    pub summary: &'a str,
    /// The figures that could be made, in the order of the catalogue.
    pub figures: &'a [Rendered],
    /// The id of those that could not, and their titles with the reason.
    pub absent: &'a [(String, String)],
    /// How far scores agree, a data set each, written to the profile's folder.
    pub agreements: &'a [Agreement],
}

/// A text and the file it belongs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The file.
    pub path: PathBuf,
    /// All of its text.
    pub text: String,
}

impl Page {
    /// Writes the file, with the folders above it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self) -> Result<(), Error> {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        fs::create_dir_all(folder).map_err(Error::write(folder))?;
        files::write(&self.path, self.text.as_bytes())
    }

    /// Whether the file is missing or says something else.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        fs::read_to_string(&self.path).ok().as_ref() != Some(&self.text)
    }
}

impl ProfileGallery<'_> {
    /// The page of the profile, `<docs>/figures/<profile>/README.md`: every figure with its claim, its picture, what it shows,
    /// how to make it again and what it took.
    #[must_use]
    pub fn page(&self, docs: &Path) -> Page {
        let mut text = format!("# Gallery of the profile `{}`\n\n", self.profile);
        text += &scale_note(self.profile, self.summary);
        for figure in self.figures {
            let id = figure.id();
            let _ = writeln!(text, "## {id}: {}\n", figure.title);
            let _ = writeln!(text, "**Claim.** {}\n", figure.claim);
            let _ = writeln!(text, "{}\n", figure.made);
            let findings = &figure.findings;
            if figure.is_table() {
                let _ = writeln!(text, "{findings}\n\n[The page]({id}.md) says how to read it.\n");
            } else {
                let _ = writeln!(text, "[![{}]({id}.png)]({id}.md)\n", figure.title);
                let _ = writeln!(
                    text,
                    "<details><summary>What it shows here</summary>\n\n{findings}\n\n</details>\n"
                );
            }
            let _ = writeln!(text, "```sh\n{}\n```\n", figure.command);
        }
        for agreement in self.agreements {
            let (name, title) = (agreement.name(), &agreement.title);
            let _ = writeln!(text, "## Scores: {title}\n\n[![{title}]({name}.png)]({name}.md)\n");
            let _ = writeln!(text, "{}\n", agreement.findings);
        }
        if !self.absent.is_empty() {
            text += "## Not made yet\n\n";
            for (id, title) in self.absent {
                let _ = writeln!(text, "- {id}: {title}");
            }
            text.push('\n');
        }
        text += ORIGIN;
        Page {
            path: docs.join("figures").join(self.profile).join("README.md"),
            text,
        }
    }
}

/// The page over all profiles, `<docs>/index.md`: a row for each figure, a column for each profile. `others` are further pages
/// in `docs`: title and file.
#[must_use]
pub fn index(docs: &Path, galleries: &[ProfileGallery], others: &[(&str, &str)]) -> Page {
    let mut text = String::from(
        "# Gallery\n\nEach page has the claim, the plot, how to read it, what it shows here, the numbers, how they were made, \
         and the command that makes them again. A profile is the scale at which the same figures are made: numbers of a reduced \
         one are never a match or a miss for numbers published at full scale.\n\n",
    );
    let profiles: Vec<String> = galleries
        .iter()
        .map(|gallery| format!("[{0}](figures/{0}/README.md)", gallery.profile))
        .collect();
    let _ = writeln!(text, "| figure | shows | claims | {} |", profiles.join(" | "));
    let _ = writeln!(text, "|---|---|---|{}", "---|".repeat(galleries.len()));
    let mut rows: Vec<(&str, &str, &str)> = Vec::new();
    for figure in galleries.iter().flat_map(|gallery| gallery.figures) {
        if rows.iter().all(|(id, ..)| *id != figure.id()) {
            rows.push((figure.id(), &figure.plain_title, &figure.claims));
        }
    }
    rows.sort_by_key(|(id, ..)| {
        (
            id.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned(),
            id.len(),
            *id,
        )
    });
    for (id, title, claims) in rows {
        let cell = |gallery: &ProfileGallery| {
            let figure = gallery.figures.iter().find(|figure| figure.id() == id);
            let Some(figure) = figure else {
                return String::new();
            };
            let page = format!("[{}](figures/{}/{id}.md)", figure.datasets, gallery.profile);
            match figure.missing() {
                0 => page,
                missing => format!("{page}, {} missing", count(missing, "run")),
            }
        };
        let cells: Vec<String> = galleries.iter().map(cell).collect();
        let _ = writeln!(text, "| {id} | {title} | {claims} | {} |", cells.join(" | "));
    }
    let agreements = galleries.iter().flat_map(|gallery| gallery.agreements);
    let agreements: BTreeMap<&str, &str> = agreements
        .map(|agreement| (agreement.name(), agreement.title.as_str()))
        .collect();
    for (name, title) in agreements {
        let cell = |gallery: &ProfileGallery| {
            if gallery.agreements.iter().all(|agreement| agreement.name() != name) {
                return String::new();
            }
            format!("[page](figures/{}/{name}.md)", gallery.profile)
        };
        let cells: Vec<String> = galleries.iter().map(cell).collect();
        let _ = writeln!(text, "| {name} | {title} | | {} |", cells.join(" | "));
    }
    text += "\n## Profiles\n\n";
    for gallery in galleries {
        let _ = writeln!(
            text,
            "- `{}`: {}",
            gallery.profile,
            gallery.summary.trim_end_matches('.')
        );
    }
    text += "\n## Read also\n\n";
    for (title, file) in others {
        let _ = writeln!(text, "- [{title}]({file})");
    }
    Page {
        path: docs.join("index.md"),
        text,
    }
}

/// The results section of a README that lies beside `docs`: the first figure of the first gallery, and the scoreboard of each.
#[must_use]
pub fn results_section(galleries: &[ProfileGallery]) -> String {
    let explanation = board_explanation();
    let is_told = galleries
        .iter()
        .flat_map(|gallery| gallery.figures)
        .any(Rendered::is_scoreboard);
    let mut text = match is_told {
        true => format!("What is tested, and how the tables are read:\n\n{explanation}"),
        false => String::new(),
    };
    for (index, gallery) in galleries.iter().enumerate() {
        let folder = format!("docs/figures/{}", gallery.profile);
        let _ = writeln!(
            text,
            "### Profile `{}`: {}\n",
            gallery.profile,
            gallery.summary.trim_end_matches('.')
        );
        // A figure of one's own does not take the place of the first of the catalogue.
        let mut pictures = gallery.figures.iter().filter(|figure| !figure.is_table());
        let first = pictures.clone().find(|figure| figure.id() == "fig1");
        let picture = first.or_else(|| pictures.next());
        if let Some(figure) = picture.filter(|_| index == 0) {
            let (id, title) = (figure.id(), &figure.title);
            let _ = writeln!(text, "[![{title}]({folder}/{id}.png)]({folder}/{id}.md)\n");
        }
        if let Some(table) = gallery.figures.iter().find(|figure| figure.is_scoreboard()) {
            // Its page has the details; what is the same in all profiles is said once.
            let board = table.findings.split("<details>").next().unwrap_or_default();
            let board = board.replace(&explanation, "");
            if let missing @ 1.. = table.missing() {
                let _ = writeln!(
                    text,
                    "**{} of this table have no result yet.**\n",
                    count(missing, "planned run")
                );
            }
            let _ = writeln!(
                text,
                "{}\n\n[How each claim is tested, and every comparison]({folder}/{}.md).",
                board.trim_end(),
                table.id()
            );
        }
        let _ = writeln!(text, "[All its figures and tables]({folder}/README.md).\n");
    }
    text
}

/// `text` with what stands between the marks of a results section replaced by `section`; `None` if the marks are not there.
#[must_use]
pub fn splice(text: &str, section: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", section.trim()))
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, splice};

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let text = format!("# A\n\n{BEGIN}\nold\n{END}\n\n## B\n");
        let once = splice(&text, "new\n").unwrap();
        assert_eq!(once, format!("# A\n\n{BEGIN}\n\nnew\n\n{END}\n\n## B\n"));
        assert_eq!(splice(&once, "new").unwrap(), once);
        assert_eq!(splice("# A\n", "new"), None);
        assert_eq!(splice(&format!("{END} {BEGIN}"), "new"), None);
    }
}
