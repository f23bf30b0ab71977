//! The `vacuum` plugin.
