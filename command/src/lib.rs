//! An intentionally empty crate: the package exists to depend on `hotplate` with the feature `cli` (see the workspace manifest).
