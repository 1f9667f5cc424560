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
    pub(super) fn keep(&self, id: String, preview: Preview, report: PreviewReportAnswer, now_ms: u64) -> Arc<KeptPreview> {
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

    /// Drops a preview. Returns true if it was kept.
    pub(super) fn remove(&self, id: &str) -> bool {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (removed, others): (Vec<_>, Vec<_>) = kept.drain(..).partition(|kept| kept.answer.id == id);
        *kept = others;
        drop(kept);
        !removed.is_empty()
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
