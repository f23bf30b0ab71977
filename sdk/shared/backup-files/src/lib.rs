//! What can be told of backup files: their form, who wrote a dump and whether to its end, which ones make a series and when
//! each was made, and the manifest beside one. For the plugins that make, verify and test backups, so that they agree. Pure:
//! it opens no file.

mod form;
mod manifest;
mod marks;
mod series;
mod tables;

pub use form::{Foreign, Form, PEEK, form};
pub use manifest::{Manifest, manifest_paths};
pub use marks::{Ending, MARKS, Maker, Marks};
pub use series::{Made, made, series_of, shape, shrunk_from};
pub use tables::{MARIADB_TABLES, POSTGRES_TABLES, SQLITE_TABLES, table_label};
