//! Empty on purpose: depending on `hotplate` with the feature `cli` is all that this package does (see the workspace manifest).
