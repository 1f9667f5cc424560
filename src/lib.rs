//! hotplate
