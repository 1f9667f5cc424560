//! [`LiveLimits`]: the limits of browsers that follow a site in development.

/// The limits of live reload. Each field has a default; set the fields for which you need other values.
///
/// ```
/// use hotplate::LiveLimits;
///
/// let limits = LiveLimits { live_clients: 8, ..LiveLimits::default() };
/// assert_eq!(limits.live_entries, 64);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LiveLimits {
    /// Browsers that may follow a service in development at once. One more is answered 503 and tries again. A browser needs one
    /// stream for all its tabs.
    pub live_clients: usize,
    /// Pages that one stream may follow.
    pub live_entries: usize,
    /// Time in which a browser must read the data that was sent to it, in milliseconds. Otherwise its connection is closed. A browser that
    /// was suspended reconnects automatically.
    pub live_stalled_ms: u64,
    /// Bytes of recently answered pages, which are kept so that a page in a browser can ask for the text that it was loaded from. A
    /// change reloads a page whose text was dropped.
    pub live_text_bytes: usize,
    /// Errors of one page that the overlay shows. An author who sees ten errors starts with the first one.
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
