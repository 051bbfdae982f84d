//! The data sets of a command, each loaded once.

use crate::failure::BadInput;
use anyhow::Result;
use dynaprune_datasets::{Dataset, DatasetInfo, Layout, OptionValue, Options, find};
use dynaprune_models::Input;
use dynaprune_spec::{DatasetSpec, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The data sets under a data root.
pub(crate) struct Library {
    root: PathBuf,
    /// By name and options.
    loaded: BTreeMap<(String, String), Dataset>,
}

/// The samples and images that a run works on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Size {
    pub(crate) train_samples: usize,
    pub(crate) test_samples: usize,
    pub(crate) input: Input,
}

impl Library {
    /// Touches nothing on the disk.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self {
            root,
            loaded: BTreeMap::new(),
        }
    }

    /// The data root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The whole data set that `spec` names; its subset is the run's business.
    ///
    /// # Errors
    /// If its files are missing (the message says how to get them) or damaged.
    pub(crate) fn get(&mut self, spec: &DatasetSpec) -> Result<&Dataset> {
        let key = (spec.name.clone(), format!("{:?}", spec.options));
        if !self.loaded.contains_key(&key) {
            let dataset = find(&spec.name)?.load(&self.root, &options(spec)?)?;
            self.loaded.insert(key.clone(), dataset);
        }
        Ok(&self.loaded[&key])
    }

    /// Whether the data set's files are all there; one that needs none always is.
    pub(crate) fn has(&self, name: &str) -> Result<bool> {
        let info = find(name)?;
        Ok(info.layouts.is_empty() || self.layout(info).is_some())
    }

    /// The first set of files of the data set that is complete and that this build can read.
    pub(crate) fn layout(&self, info: &DatasetInfo) -> Option<&'static Layout> {
        let is_there = |layout: &Layout, file| layout.path(&self.root, file).is_file();
        let complete = |layout: &&Layout| layout.files.iter().all(|file| is_there(layout, file));
        let readable = |layout: &&Layout| {
            cfg!(feature = "hub") || !layout.files.iter().any(|file| file.name.ends_with(".parquet"))
        };
        info.layouts.iter().filter(readable).find(complete)
    }

    /// How much there is of the data that `spec` names. Data sets that come from files are not read for that.
    pub(crate) fn size(&mut self, spec: &DatasetSpec) -> Result<Size> {
        let info = find(&spec.name)?;
        let [height, width, channels] = info.shape;
        let whole = if info.layouts.is_empty() {
            let dataset = self.get(spec)?;
            (dataset.train.len(), dataset.test.len())
        } else {
            (info.train_samples, info.test_samples)
        };
        Ok(Size {
            train_samples: spec.train_samples.unwrap_or(whole.0),
            test_samples: spec.test_samples.unwrap_or(whole.1),
            input: Input {
                height,
                width,
                channels,
                classes: info.classes,
            },
        })
    }
}

/// The data set's options as its reader takes them.
pub(crate) fn options(spec: &DatasetSpec) -> Result<Options> {
    let value = |name: &str, value: &Value| match value {
        Value::Int(value) => Ok(OptionValue::Int(*value)),
        Value::Float(value) => Ok(OptionValue::Float(*value)),
        other => Err(BadInput::new(format!(
            "option `{name}` of `{}`: expected a number, found `{other}`",
            spec.name
        ))),
    };
    let options = spec.options.iter();
    options
        .map(|(name, option)| Ok((name.clone(), value(name, option)?)))
        .collect()
}
