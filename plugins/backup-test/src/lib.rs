//! The `backup-test` plugin.
