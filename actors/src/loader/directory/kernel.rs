//! Native watches. Their events go into the inbox.

#[cfg(target_os = "linux")]
pub(super) mod inotify;
pub(super) mod recursive;
