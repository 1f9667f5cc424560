//! [`LiveLimits`]: the limits of browsers that follow a site while it is written.

/// The limits of what a browser gets in development. Each field has a default; set those that you need otherwise.
///
/// ```
/// use hotplate::LiveLimits;
///
/// let limits = LiveLimits { live_clients: 8, ..LiveLimits::default() };
/// assert_eq!(limits.live_entries, 64);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LiveLimits {
    /// Browsers that may follow a service in development at once; one more is answered 503 and tries again. A browser needs one
    /// stream for all its tabs.
    pub live_clients: usize,
    /// Pages that one such stream may follow.
    pub live_entries: usize,
    /// How long a browser may leave what it was sent unread before its connection is ended, in milliseconds. One that sleeps comes
    /// back by itself.
    pub live_stalled_ms: u64,
    /// Bytes of the pages that were answered last, kept so that a page in a browser can ask for the text that it was loaded from. One
    /// whose text has gone meanwhile is reloaded by an edit.
    pub live_text_bytes: usize,
    /// Findings that an overlay shows of one page. Who sees ten begins with the first.
    pub live_faults: usize,
}

impl Default for LiveLimits {
    fn default() -> Self {
        Self {
            live_clients: 2_048,
            live_entries: 64,
            live_stalled_ms: 30_000,
            live_text_bytes: 16 * 1024 * 1024,
            live_faults: 10,
        }
    }
}
