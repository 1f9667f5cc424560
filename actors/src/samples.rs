//! Samples: contexts with which entries are rendered before visitors see them, by previews and by checks of a contract.

use std::collections::BTreeMap;

use crate::dialect::{Closure, Unit};
use crate::reader::{ContextSource, Serialized};
use crate::snapshot::index::Index;
use crate::template::TemplateName;

/// A source of samples. It is asked for one entry at a time, and finds texts that were published with the entry, such as its data.
pub trait SampleSource: Send + Sync + 'static {
    /// Returns a context for an entry, if there is a sample of it.
    fn sample<'s>(&'s self, texts: &SampleTexts<'s>) -> Option<Box<dyn ContextSource + 's>>;

    /// Returns the sample of an entry as JSON, so that it is compared with the schema of the entry; `None` if there is none, or it is not to be
    /// compared.
    fn json(&self, _texts: &SampleTexts<'_>) -> Option<SampleJson> {
        None
    }

    /// Returns true if the sample of this entry is part of the contract, so that the entry is rendered with it before it is published.
    fn is_contract(&self, _texts: &SampleTexts<'_>) -> bool {
        true
    }

    /// Returns false if no sample is ever part of the contract.
    fn may_be_contract(&self) -> bool {
        true
    }
}

/// A sample as JSON, and the files that it comes from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SampleJson {
    /// The sample.
    pub value: serde_json::Value,
    /// The files that were merged, each over the one before, with the value of each.
    pub files: Vec<(TemplateName, serde_json::Value)>,
}

impl SampleJson {
    /// A sample that is in no file.
    #[must_use]
    pub fn new(value: serde_json::Value) -> Self {
        Self {
            value,
            files: Vec::new(),
        }
    }

    /// Adds a file that the sample comes from.
    #[must_use]
    pub fn file(mut self, name: TemplateName, value: serde_json::Value) -> Self {
        self.files.push((name, value));
        self
    }

    /// Returns the file that has the value at a path, which is a JSON pointer.
    #[cfg(feature = "contract")]
    pub(crate) fn file_of(&self, path: &str) -> Option<&TemplateName> {
        let mut files = self.files.iter().rev();
        let has_it = files.find(|(_, value)| value.pointer(path).is_some());
        has_it.or(self.files.last()).map(|(name, _)| name)
    }
}

/// An entry, and the texts that are published together with it.
#[derive(Debug, Clone, Copy)]
pub struct SampleTexts<'s> {
    closure: Closure<'s>,
    names: &'s Index,
}

impl<'s> SampleTexts<'s> {
    pub(crate) fn new(closure: Closure<'s>, names: &'s Index) -> Self {
        Self { closure, names }
    }

    /// Returns the closure of the entry.
    #[must_use]
    pub fn closure(&self) -> Closure<'s> {
        self.closure
    }

    /// Returns the name of the entry.
    #[must_use]
    pub fn entry(&self) -> &'s TemplateName {
        &self.closure.top().name
    }

    /// Returns the compiled text of a name that belongs to the same version.
    #[must_use]
    pub fn unit(&self, name: &str) -> Option<&'s dyn Unit> {
        let member = self.closure.neighbour(self.names.get(name)?)?;
        Some(&*member.unit)
    }
}

/// The samples of an engine: those that are registered in code, and those of sources. The first one counts.
#[derive(Default)]
pub(crate) struct Samples {
    registered: BTreeMap<TemplateName, serde_json::Value>,
    sources: Vec<Box<dyn SampleSource>>,
}

impl Samples {
    pub(crate) fn register(&mut self, entry: TemplateName, sample: serde_json::Value) {
        self.registered.insert(entry, sample);
    }

    pub(crate) fn add(&mut self, source: impl SampleSource) {
        self.sources.push(Box::new(source));
    }

    /// Returns the sample of an entry.
    pub(crate) fn of<'s>(&'s self, texts: &SampleTexts<'s>) -> Option<Box<dyn ContextSource + 's>> {
        let registered = self.registered.get(texts.entry());
        let registered = registered.map(|sample| Box::new(Serialized(sample)) as Box<dyn ContextSource>);
        registered.or_else(|| self.sources.iter().find_map(|source| source.sample(texts)))
    }

    /// Returns the sample of an entry that is part of the contract.
    pub(crate) fn checked<'s>(&'s self, texts: &SampleTexts<'s>) -> Option<Box<dyn ContextSource + 's>> {
        if self.registered.contains_key(texts.entry()) {
            return self.of(texts);
        }
        let mut sources = self.sources.iter().filter(|source| source.is_contract(texts));
        sources.find_map(|source| source.sample(texts))
    }

    /// Returns the sample of an entry that is part of the contract as JSON.
    #[cfg(feature = "contract")]
    pub(crate) fn json(&self, texts: &SampleTexts<'_>) -> Option<SampleJson> {
        if let Some(sample) = self.registered.get(texts.entry()) {
            return Some(SampleJson::new(sample.clone()));
        }
        let mut sources = self.sources.iter().filter(|source| source.is_contract(texts));
        sources.find_map(|source| source.json(texts))
    }

    /// Returns true if samples may be part of the contract.
    pub(crate) fn is_any_registered(&self) -> bool {
        !self.registered.is_empty() || self.sources.iter().any(|source| source.may_be_contract())
    }
}
