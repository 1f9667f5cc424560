//! [`Languages`]: the language of each text for the store, so that a restart compiles a text as it was compiled, whatever the settings say.
//!
//! A stored text whose language is not that of the settings gets a digest of its own for this process. So what its source has is another
//! text, which replaces it, and no cache confuses the two. The store never sees that digest.

use std::collections::HashMap;
use std::sync::Arc;

use crate::compiler::Dialects;
use crate::dialect::Dialect;
use crate::store::version::StoredLanguage;
use crate::template::{Digest, Missing, RootLanguage, Source, TemplateName};

/// The languages of the texts of an engine.
pub(super) struct Languages {
    dialects: Dialects,
    /// The texts that were restored in another language than that of the settings, by their digests in this process.
    restored: HashMap<Digest, (Digest, StoredLanguage)>,
    /// The leniency and language of the root of each text of the last description, so that a text is hashed once.
    roots: HashMap<Digest, RootLanguage>,
    described: HashMap<Digest, RootLanguage>,
}

/// The language in which a stored text is compiled.
pub(super) enum RestoredLanguage {
    /// That of the settings.
    OfSettings,
    /// Another one, and the digest of the text in this process.
    Other(Digest, Arc<dyn Dialect>, Missing),
    /// One that this program does not have, and the digest of the text in this process.
    Unknown(Digest),
}

impl Languages {
    pub(super) fn new(dialects: Dialects) -> Self {
        Self {
            dialects,
            restored: HashMap::new(),
            roots: HashMap::new(),
            described: HashMap::new(),
        }
    }

    /// Returns the language in which to compile a stored text, whose digest is that of the source.
    pub(super) fn restore(&mut self, source: &Source, stored: &StoredLanguage) -> RestoredLanguage {
        let (dialect, missing) = self
            .dialects
            .language_of(&source.key.name, source.missing, source.dialect);
        if dialect.id() == &*stored.dialect && missing == stored.missing {
            return RestoredLanguage::OfSettings;
        }
        let leniency: &[u8] = match stored.missing {
            Missing::Error => b"strict",
            Missing::Lenient => b"lenient",
        };
        let parts = [
            source.digest.as_bytes().as_slice(),
            b"stored",
            leniency,
            stored.dialect.as_bytes(),
        ];
        let digest = Digest::over(parts);
        self.restored.insert(digest, (source.digest, stored.clone()));
        match dialect.id() == &*stored.dialect {
            true => RestoredLanguage::Other(digest, dialect, stored.missing),
            false => match self.dialects.with_id(&stored.dialect) {
                Some(dialect) => RestoredLanguage::Other(digest, dialect, stored.missing),
                None => RestoredLanguage::Unknown(digest),
            },
        }
    }

    /// Returns the dialects with the choice of one for all texts.
    pub(super) fn only(&self, dialect: &Arc<dyn Dialect>, missing: Missing) -> Dialects {
        let dialect = Arc::clone(dialect);
        Dialects {
            choose: Arc::new(move |_| Some(Arc::clone(&dialect))),
            missing,
            ..self.dialects.clone()
        }
    }

    /// Returns a stored text as its root has it, in the language of the root if the program still has that one.
    pub(super) fn source(&self, name: &TemplateName, text: &str, digest: Digest, stored: &StoredLanguage) -> Source {
        let mut source = Source::new(name.clone(), text);
        if Source::dialect_digest(&source.digest, stored.root.as_deref()) != digest {
            source = source.lenient();
        }
        let ids = self.dialects.of_sources.iter().map(|dialect| dialect.id());
        source.dialect = ids.into_iter().find(|id| Some(*id) == stored.root.as_deref());
        source.digest = digest;
        source
    }

    /// Returns the digest and language with which a text is stored.
    pub(super) fn describe(&mut self, name: &TemplateName, digest: Digest, text: &str) -> (Digest, StoredLanguage) {
        if let Some(restored) = self.restored.get(&digest) {
            return restored.clone();
        }
        let known = self.described.get(&digest).or_else(|| self.roots.get(&digest)).copied();
        let root = known.or_else(|| self.dialects.root_of(text, digest));
        let root = root.unwrap_or((Missing::Error, None));
        self.described.insert(digest, root);
        let (missing, of_root) = root;
        let (dialect, missing) = self.dialects.language_of(name, missing, of_root);
        let language = StoredLanguage {
            dialect: dialect.id().into(),
            missing,
            root: of_root.map(Arc::from),
        };
        (digest, language)
    }

    /// Ends a description: texts that it did not have are forgotten.
    pub(super) fn described(&mut self) {
        self.roots = std::mem::take(&mut self.described);
    }
}
