//! `host schema bundle` and `host schema cases`: the JSON Schemas of files that people write.

use clap::Args;

#[derive(Args)]
pub(super) struct Arguments {
    /// Of what.
    #[arg(value_enum)]
    of: Of,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Of {
    /// Bundle files. In an editor that knows them, the first line `#:schema PATH` of a bundle names the schema.
    Bundle,
    /// Files of a plugin's cases.
    Cases,
}

pub(super) fn execute(arguments: &Arguments) -> u8 {
    match arguments.of {
        Of::Bundle => super::print(&super::json(&crate::bundle::schema())),
        Of::Cases => super::print(&super::json(&crate::cases::schema())),
    }
    0
}
