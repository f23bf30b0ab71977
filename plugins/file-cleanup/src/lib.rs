//! The `file-cleanup` plugin.
