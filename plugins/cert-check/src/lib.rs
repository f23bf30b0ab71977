//! The `cert-check` plugin.
