//! Sources of templates for hotplate other than a directory: rows of PostgreSQL, a revision of a git repository, files behind HTTP.
//!
//! Each is a [`Loader`](hotplate_actors::Loader) that passes the [conformance suite](hotplate_actors::conformance), behind a feature of its
//! own. What they have in common:
//!
//! - A sync reads one state of the source, which has a [tag](hotplate_actors::loader::Changes::tag): a commit, an `ETag`, a transaction.
//! - A text that is too large is never cut. It is a fault of that template, and its last good version is served.
//! - A name that no template can have is left out, with a remark in the health of the loader.
//! - An error is one of three: the source is unavailable, refused or absent. After the first two, what it had is still served.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "git", feature = "http", feature = "postgres"))]
mod remarks;

#[cfg(feature = "git")]
pub mod git;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "postgres")]
pub mod postgres;
