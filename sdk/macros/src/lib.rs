//! The macros of the Taskhost SDK.
