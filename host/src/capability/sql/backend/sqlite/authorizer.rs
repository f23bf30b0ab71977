//! What a connection may do, decided by SQLite itself while it compiles a statement: it asks before each kind of access.
//! The one place of the host with unsafe code, which this callback cannot be had without.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use libsqlite3_sys as ffi;
use sqlx::sqlite::LockedSqliteHandle;

use super::super::{Error, Purpose};

/// What is allowed now.
pub(super) struct Policy {
    purpose: AtomicU8,
    /// A statement of the host's own is being compiled.
    host: AtomicBool,
}

/// Pragmas that only read, with the name of a table or an index.
const PRAGMAS_OF: &[&str] = &[
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Pragmas that a dump sets in a scratch file.
const PRAGMAS_OF_DUMPS: &[&str] =
    &["application_id", "auto_vacuum", "defer_foreign_keys", "encoding", "foreign_keys", "page_size", "user_version"];

/// Functions that reach out of the file or into memory.
const FUNCTIONS: &[&str] = &["load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"];

impl Policy {
    pub(super) fn new(purpose: Purpose) -> Self {
        Self { purpose: AtomicU8::new(purpose as u8), host: AtomicBool::new(false) }
    }

    pub(super) fn set(&self, purpose: Purpose) {
        self.purpose.store(purpose as u8, Ordering::SeqCst);
    }

    pub(super) fn host(&self, host: bool) {
        self.host.store(host, Ordering::SeqCst);
    }

    /// Whether an access of kind `action` is let through; what `first` and `second` name depends on it.
    fn allows(&self, action: c_int, first: Option<&str>, second: Option<&str>) -> bool {
        let purpose = self.purpose.load(Ordering::SeqCst);
        let listed = |list: &[&str], name: Option<&str>| {
            name.is_some_and(|name| list.iter().any(|listed| listed.eq_ignore_ascii_case(name)))
        };
        if self.host.load(Ordering::SeqCst) {
            return true;
        }
        match action {
            ffi::SQLITE_FUNCTION => !listed(FUNCTIONS, second),
            ffi::SQLITE_SELECT | ffi::SQLITE_READ | ffi::SQLITE_RECURSIVE => true,
            ffi::SQLITE_PRAGMA if second.is_none() || listed(PRAGMAS_OF, first) => {
                !first.is_some_and(|name| name.eq_ignore_ascii_case("optimize") || name.contains("checkpoint"))
            }
            ffi::SQLITE_PRAGMA => purpose == Purpose::Scratch as u8 && listed(PRAGMAS_OF_DUMPS, first),
            ffi::SQLITE_ATTACH | ffi::SQLITE_DETACH => false,
            // To read an R*Tree, its module compiles its writing statements too. The file is open for reading only, so
            // that they cannot run.
            ffi::SQLITE_INSERT | ffi::SQLITE_UPDATE | ffi::SQLITE_DELETE if purpose == Purpose::Read as u8 => {
                first.is_some_and(|table| ["_node", "_rowid", "_parent"].iter().any(|end| table.ends_with(end)))
            }
            ffi::SQLITE_INSERT | ffi::SQLITE_UPDATE | ffi::SQLITE_DELETE if purpose == Purpose::Write as u8 => {
                !first.is_some_and(|table| table.to_ascii_lowercase().starts_with("sqlite_"))
            }
            _ => purpose == Purpose::Scratch as u8,
        }
    }
}

/// Has SQLite ask `policy`, which the connection must keep for as long as it is open.
#[allow(unsafe_code)]
pub(super) fn install(handle: &mut LockedSqliteHandle<'_>, policy: &Arc<Policy>) -> Result<(), Error> {
    let raw = handle.as_raw_handle().as_ptr();
    let context = Arc::as_ptr(policy).cast_mut().cast::<c_void>();
    // SAFETY: `raw` is an open connection that nobody else uses while `handle` is held. `context` points to a `Policy`
    // that lives as long as the connection (the caller's duty), is never moved, and is only read through atomics.
    let (hardened, installed) = unsafe {
        let none = std::ptr::null_mut::<c_int>();
        let hardened = ffi::sqlite3_db_config(raw, ffi::SQLITE_DBCONFIG_DEFENSIVE, 1 as c_int, none);
        (hardened, ffi::sqlite3_set_authorizer(raw, Some(ask), context))
    };
    if hardened == ffi::SQLITE_OK && installed == ffi::SQLITE_OK {
        return Ok(());
    }
    Err(Error::Bug(wasmtime::Error::msg("SQLite takes no authorizer")))
}

/// The most bytes of one value, or of one row, that is read: SQLite makes a billion of them out of nothing.
const LONGEST: c_int = 64 << 20;

/// Bounds what one value takes of the host's memory.
#[allow(unsafe_code)]
pub(super) fn bound_values(handle: &mut LockedSqliteHandle<'_>) {
    let raw = handle.as_raw_handle().as_ptr();
    // SAFETY: `raw` is an open connection that nobody else uses while `handle` is held.
    unsafe { ffi::sqlite3_limit(raw, ffi::SQLITE_LIMIT_LENGTH, LONGEST) };
}

/// Called by SQLite; must not use the connection, and does not.
#[allow(unsafe_code)]
unsafe extern "C" fn ask(
    context: *mut c_void,
    action: c_int,
    first: *const c_char,
    second: *const c_char,
    _database: *const c_char,
    _trigger: *const c_char,
) -> c_int {
    // SAFETY: `install` passed a pointer to a `Policy` that outlives the connection.
    let policy = unsafe { &*context.cast::<Policy>() };
    // SAFETY: SQLite passes NUL-terminated strings, or null, that live until this function returns.
    let (first, second) = unsafe { (text(first), text(second)) };
    if policy.allows(action, first, second) { ffi::SQLITE_OK } else { ffi::SQLITE_DENY }
}

/// # Safety
/// `pointer` is null or a NUL-terminated string that lives for `'a`.
#[allow(unsafe_code)]
unsafe fn text<'a>(pointer: *const c_char) -> Option<&'a str> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: see above. A name that is not UTF-8 is on no list.
    Some(unsafe { CStr::from_ptr(pointer) }.to_str().unwrap_or("\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_has_its_own_rights() {
        let read = (ffi::SQLITE_READ, Some("t"), Some("a"));
        let insert = (ffi::SQLITE_INSERT, Some("t"), None);
        let schema = (ffi::SQLITE_UPDATE, Some("sqlite_schema"), None);
        let attach = (ffi::SQLITE_ATTACH, Some("other.db"), None);
        let extension = (ffi::SQLITE_FUNCTION, None, Some("LOAD_EXTENSION"));
        let create = (ffi::SQLITE_CREATE_TABLE, Some("t"), None);
        let pages = (ffi::SQLITE_PRAGMA, Some("page_count"), None);
        let journal = (ffi::SQLITE_PRAGMA, Some("journal_mode"), Some("off"));
        let optimize = (ffi::SQLITE_PRAGMA, Some("optimize"), None);
        let tree = (ffi::SQLITE_DELETE, Some("places_node"), None);
        for (purpose, allowed, denied) in [
            (
                Purpose::Read,
                vec![read, pages, tree],
                vec![insert, schema, attach, extension, create, journal, optimize],
            ),
            (
                Purpose::Maintain,
                vec![read, pages],
                vec![tree, insert, schema, attach, extension, create, journal, optimize],
            ),
            (Purpose::Write, vec![read, pages, insert], vec![schema, attach, extension, create, journal, optimize]),
            (Purpose::Scratch, vec![read, pages, insert, create], vec![attach, extension, journal, optimize]),
        ] {
            let policy = Policy::new(purpose);
            for (action, first, second) in allowed {
                assert!(policy.allows(action, first, second), "{purpose:?} {action} {first:?} {second:?}");
            }
            for (action, first, second) in denied {
                assert!(!policy.allows(action, first, second), "{purpose:?} {action} {first:?} {second:?}");
            }
        }
    }
}
