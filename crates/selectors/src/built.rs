//! A selector as it is handed out: with the settings that it was built with, so that the state of another one is refused.

use std::collections::BTreeMap;

use crate::{Checked, Error, MethodInfo, Selector, Setup, State};

/// A selector and its settings, in words.
#[derive(Debug)]
pub(crate) struct Built {
    method: &'static str,
    settings: BTreeMap<String, String>,
    selector: Box<dyn Selector>,
}

impl Built {
    pub(crate) fn new(info: &MethodInfo, setup: &Setup, options: &Checked) -> Result<Self, Error> {
        let mut settings = options.in_words();
        let mut set = |name: &str, text: String| settings.insert(name.to_owned(), text);
        set("seed", setup.seed.to_string());
        if info.averages {
            set("ema_weight", setup.ema_weight.to_string());
        }
        if let Some(labels) = setup.labels {
            set("labels", sum(labels.iter().map(|&label| u32::from(label))));
        }
        if let Some(scores) = setup.static_scores.filter(|_| info.static_scores) {
            set("static_scores", sum(scores.iter().map(|score| score.to_bits())));
        }
        Ok(Self {
            method: info.name,
            settings,
            selector: (info.build)(setup, options)?,
        })
    }
}

impl Selector for Built {
    fn observe(&mut self, indices: &[u32], scores: &[f32]) -> Result<(), Error> {
        self.selector.observe(indices, scores)
    }

    fn select(&mut self, k: usize, round: u64) -> Result<Vec<u32>, Error> {
        self.selector.select(k, round)
    }

    fn state(&self) -> State {
        State {
            settings: self.settings.clone(),
            ..self.selector.state()
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), Error> {
        let is_other = |name: &&String| state.settings.get(*name) != self.settings.get(*name);
        let names = || self.settings.keys().chain(state.settings.keys());
        // Of another method all else may differ, too.
        if let Some(name) = names().find(is_other).filter(|_| state.method == self.method) {
            let text = |settings: &BTreeMap<String, String>| {
                let text = settings.get(name);
                text.map_or("missing".to_owned(), |text| format!("`{text}`"))
            };
            return Err(Error::State {
                what: format!("the setting `{name}`"),
                found: text(&state.settings),
                expected: text(&self.settings),
            });
        }
        self.selector.restore(state)
    }
}

/// A checksum (FNV-1a of 64 bits) of a table.
fn sum(words: impl Iterator<Item = u32>) -> String {
    let bytes = words.flat_map(u32::to_le_bytes);
    let sum = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{sum:016x}")
}

#[cfg(test)]
mod tests {
    /// The authors' test vectors of FNV-1a, 64 bits, for "" and "foob".
    #[test]
    fn sums_are_fnv_1a() {
        assert_eq!(super::sum([].into_iter()), "cbf29ce484222325");
        assert_eq!(
            super::sum([u32::from_le_bytes(*b"foob")].into_iter()),
            "dd120e790c2512af"
        );
    }
}
