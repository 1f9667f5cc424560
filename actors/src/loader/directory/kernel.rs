//! The kernels that can be asked to watch: what each of them hears goes into the inbox.

#[cfg(target_os = "linux")]
pub(super) mod inotify;
pub(super) mod recursive;
