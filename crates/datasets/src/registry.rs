//! The data sets there are. A new one is a file with its [`DatasetInfo`] and a line here.

use std::path::{Path, PathBuf};

use crate::files::FileInfo;
use crate::options::{self, OptionInfo, Options};
use crate::{Dataset, Error, cifar, digits, mnist, synthetic};

/// All data sets, by name.
pub const DATASETS: &[DatasetInfo] = &[
    digits::DIGITS,
    synthetic::SYNTHETIC,
    cifar::CIFAR10,
    cifar::CIFAR100,
    mnist::MNIST,
    mnist::FASHION_MNIST,
];

/// The data set called `name`.
///
/// # Errors
/// [`Error::UnknownDataset`], which lists the names there are.
pub fn find(name: &str) -> Result<&'static DatasetInfo, Error> {
    DATASETS.iter().find(|info| info.name == name).ok_or_else(|| {
        let known: Vec<_> = DATASETS.iter().map(|info| info.name).collect();
        Error::UnknownDataset {
            name: name.to_owned(),
            known: known.join(", "),
        }
    })
}

/// What is known about a data set, and how to load it.
#[derive(Clone, Copy, Debug)]
pub struct DatasetInfo {
    /// The name, in kebab case.
    pub name: &'static str,
    /// One line on what it is.
    pub summary: &'static str,
    /// The number of classes.
    pub classes: usize,
    /// Height, width and channels of an image.
    pub shape: [usize; 3],
    /// The number of training images (with default options).
    pub train_samples: usize,
    /// The number of test images (with default options).
    pub test_samples: usize,
    /// The options it understands.
    pub options: &'static [OptionInfo],
    /// The sets of files it can be read from, best first; empty if it needs none.
    pub layouts: &'static [Layout],
    /// Where its files come from; `None` if it needs none.
    pub download: Option<Download>,
    /// Makes the data set from the data root and resolved options; called by [`Self::load`].
    pub(crate) load: fn(&Path, &Options) -> Result<Dataset, Error>,
}

/// A set of files that holds a whole data set.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// What it is, for messages.
    pub name: &'static str,
    /// The folder under the data root; empty for the root itself.
    pub folder: &'static str,
    /// The files in that folder.
    pub files: &'static [FileInfo],
    /// Reads the data set from that folder.
    pub(crate) read: fn(&Path) -> Result<Dataset, Error>,
}

/// What [`fetch`](crate::fetch) gets and where from.
#[derive(Clone, Copy, Debug)]
pub struct Download {
    /// The address that the names of the files are appended to.
    pub base_url: &'static str,
    /// The folder under the data root that the files are put into; empty for the root itself.
    pub folder: &'static str,
    /// The files.
    pub files: &'static [FileInfo],
    /// What is inside the files, if they are archives.
    pub archives: &'static [Archive],
    /// Gets the data set from a repository of the Hugging Face Hub, `OWNER/NAME`, into the root.
    pub(crate) from_hub: Option<FromHub>,
}

type FromHub = fn(&str, &Path) -> Result<(), Error>;

/// An archive, `.tar.gz`, that holds a folder of a [`Layout`].
#[derive(Clone, Copy, Debug)]
pub struct Archive {
    /// The archive.
    pub file: FileInfo,
    /// The folder inside, which is also the folder it becomes under the data root.
    pub folder: &'static str,
    /// The files in that folder that belong to the data set.
    pub members: &'static [FileInfo],
}

impl Layout {
    /// Where `file` is, or should be.
    #[must_use]
    pub fn path(&self, root: &Path, file: &FileInfo) -> PathBuf {
        file.path(&root.join(self.folder))
    }
}

impl DatasetInfo {
    /// Loads the data set from the files under `root`, which are checked on the way.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the files are not there, [`Error::Malformed`] if one is not what it
    /// should be, [`Error::Invalid`] for options that are not declared or out of bounds.
    pub fn load(&self, root: &Path, options: &Options) -> Result<Dataset, Error> {
        (self.load)(root, &options::resolve(self.name, self.options, options)?)
    }

    /// Reads the first layout whose files are all there.
    pub(crate) fn load_files(&self, root: &Path) -> Result<Dataset, Error> {
        if let Some(layout) = self.layout_in(root) {
            return (layout.read)(&root.join(layout.folder));
        }
        let begun = self.layouts.iter().find_map(|layout| {
            let (there, missing): (Vec<_>, Vec<_>) = layout
                .files
                .iter()
                .map(|file| file.path(Path::new(layout.folder)))
                .partition(|path| root.join(path).is_file());
            if there.is_empty() {
                None
            } else {
                missing.into_iter().next()
            }
        });
        Err(Error::NotFound {
            dataset: self.name.to_owned(),
            missing: begun.map_or("its files were".to_owned(), |path| path.display().to_string()),
            root: root.to_owned(),
            hint: self.how_to_get(root),
        })
    }

    /// The first layout whose files are all under `root`.
    pub(crate) fn layout_in(&self, root: &Path) -> Option<&'static Layout> {
        self.layouts
            .iter()
            .find(|layout| layout.files.iter().all(|file| layout.path(root, file).is_file()))
    }

    /// How the files come under `root`: by `fetch`, or by hand.
    #[must_use]
    pub fn how_to_get(&self, root: &Path) -> String {
        let Some(download) = self.download else {
            return format!("`{}` needs no files", self.name);
        };
        let folder = root.join(download.folder);
        let mut text = format!(
            "run `cargo xtask data fetch {}`, or place by hand, as it is, in {}:",
            self.name,
            folder.display()
        );
        for file in download.files {
            text += &format!("\n  {}{}", download.base_url, file.name);
            if let Some(md5) = file.md5 {
                text += &format!("\n    MD5 sum {md5}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_found() {
        for info in DATASETS {
            find(info.name).unwrap();
            assert_eq!(DATASETS.iter().filter(|other| other.name == info.name).count(), 1);
        }
        assert_eq!(
            find("cifar").unwrap_err().to_string(),
            "`cifar`: no such data set, expected one of digits, synthetic, cifar10, cifar100, mnist, fashion-mnist"
        );
    }

    #[test]
    fn a_missing_data_set_says_how_to_get_it() {
        let root = tempfile::tempdir().unwrap();
        let load = || find("cifar10").unwrap().load(root.path(), &Options::new());
        let shown = root.path().display().to_string();
        let message = load().unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("`cifar10`: its files were not found under {shown}\n")),
            "{message}"
        );
        assert!(message.contains("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"));
        assert!(message.contains("c32a1d4ab5d03f1284b67883e8d87530"));

        std::fs::create_dir(root.path().join("cifar-10-batches-bin")).unwrap();
        std::fs::write(root.path().join("cifar-10-batches-bin/batches.meta.txt"), "").unwrap();
        let message = load().unwrap_err().to_string();
        assert!(
            message.starts_with("`cifar10`: cifar-10-batches-bin/data_batch_1.bin not found"),
            "{message}"
        );
    }
}
