//! The dialect `tinytemplate`.
