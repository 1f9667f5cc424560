//! [`PreviewStore`]: the previews that can be looked at, bounded in number, bytes and time.

use std::sync::{Arc, Mutex, PoisonError};

use hotplate_actors::Preview;

use super::limits::AdminLimits;
use super::model::{PreviewAnswer, PreviewReportAnswer};

/// A preview that is kept.
#[derive(Debug)]
pub(super) struct KeptPreview {
    pub(super) preview: Preview,
    pub(super) answer: PreviewAnswer,
    bytes: usize,
}

/// The previews, oldest first.
#[derive(Debug)]
pub(super) struct PreviewStore {
    kept: Mutex<Vec<Arc<KeptPreview>>>,
    previews: usize,
    bytes: usize,
    lifetime_ms: u64,
}

impl PreviewStore {
    pub(super) fn new(limits: &AdminLimits) -> Self {
        Self {
            kept: Mutex::default(),
            previews: limits.previews.max(1),
            bytes: limits.previews_bytes,
            lifetime_ms: limits.preview_ms,
        }
    }

    /// Keeps a preview, and drops the oldest ones beyond the limits. The newest stays.
    pub(super) fn keep(
        &self,
        id: String,
        preview: Preview,
        report: PreviewReportAnswer,
        now_ms: u64,
    ) -> Arc<KeptPreview> {
        let bytes = preview.bytes();
        let answer = PreviewAnswer {
            id,
            made_ms: now_ms,
            expires_ms: now_ms.saturating_add(self.lifetime_ms),
            report,
        };
        let newest = Arc::new(KeptPreview { preview, answer, bytes });
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(Arc::clone(&newest));
        let dropped = self.trim(&mut kept, now_ms);
        drop(kept);
        // Freed without the lock.
        drop(dropped);
        newest
    }

    /// Returns a preview.
    pub(super) fn find(&self, id: &str, now_ms: u64) -> Option<Arc<KeptPreview>> {
        self.all(now_ms).into_iter().find(|kept| kept.answer.id == id)
    }

    /// Returns all previews, oldest first.
    pub(super) fn all(&self, now_ms: u64) -> Vec<Arc<KeptPreview>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = self.trim(&mut kept, now_ms);
        let all = kept.clone();
        drop(kept);
        drop(dropped);
        all
    }

    /// Drops a preview and returns it, if it was kept.
    pub(super) fn remove(&self, id: &str) -> Option<Arc<KeptPreview>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|kept| kept.answer.id == id)?;
        Some(kept.remove(at))
    }

    /// Removes the previews that are over, and the oldest ones beyond the limits.
    fn trim(&self, kept: &mut Vec<Arc<KeptPreview>>, now_ms: u64) -> Vec<Arc<KeptPreview>> {
        let (mut left, mut bytes) = (0, 0_usize);
        for preview in kept.iter().rev() {
            bytes = bytes.saturating_add(preview.bytes);
            let fits = left < self.previews && (left == 0 || bytes <= self.bytes);
            if !fits || preview.answer.expires_ms <= now_ms {
                break;
            }
            left += 1;
        }
        let newest = kept.split_off(kept.len() - left);
        std::mem::replace(kept, newest)
    }
}

#[cfg(test)]
mod tests {
    use hotplate_actors::{Hotplate, MemoryLoader, PreviewRequest, TemplateName};

    use super::*;

    #[actix_web::test]
    async fn previews_are_bounded_in_number_bytes_and_time() {
        let loader = MemoryLoader::of([("a.html", "a")]).expect("a name");
        let hotplate = Hotplate::builder().loader(loader).start().expect("starts");
        let make = async |bytes: usize| {
            let edits = [(
                TemplateName::new("a.html").expect("a name"),
                Some("x".repeat(bytes).into()),
            )];
            let request = PreviewRequest {
                edits: edits.into(),
                ..PreviewRequest::default()
            };
            hotplate.preview(request).await.expect("a preview")
        };
        let limits = AdminLimits {
            previews: 3,
            previews_bytes: 2 * make(10_000).await.bytes(),
            preview_ms: 100,
            ..AdminLimits::default()
        };
        let store = PreviewStore::new(&limits);
        for (id, bytes, now_ms, expected) in [
            ("a", 1, 0, &["a"][..]),
            ("b", 1, 10, &["a", "b"]),
            ("c", 1, 20, &["a", "b", "c"]),
            ("d", 1, 30, &["b", "c", "d"]),
            // "b" is over, to the millisecond.
            ("e", 1, 110, &["c", "d", "e"]),
            ("f", 10_000, 111, &["d", "e", "f"]),
            ("g", 10_000, 112, &["f", "g"]),
            // The newest stays, however large it is.
            ("h", 100_000, 113, &["h"]),
        ] {
            let preview = make(bytes).await;
            let report = PreviewReportAnswer::of(&preview);
            store.keep(id.to_owned(), preview, report, now_ms);
            let all = store.all(now_ms);
            let kept: Vec<&str> = all.iter().map(|kept| kept.answer.id.as_str()).collect();
            assert_eq!(kept, expected, "{id}");
        }
        assert!(store.find("h", 212).is_some() && store.find("h", 213).is_none());
        assert!(store.remove("h").is_none());
    }
}
