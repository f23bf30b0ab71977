//! Who may: roles and what each may do. Pure; where a name and a role come from is in the files beside this one.

mod session;
mod tokens;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use session::{IDLE, Sessions};
pub(super) use tokens::digest;
pub use tokens::{Made, Tokens, TokensFile};

/// What somebody may do. Each may what the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Runs, rehearses, stops, pauses and ticks.
    Operator,
    /// Takes a changed bundle, and with it new grants, into force.
    Approver,
}

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    /// What anybody may: signing in, the styles.
    Nothing,
    View,
    Operate,
    Approve,
}

/// Somebody who is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) role: Role,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    /// Whoever it is must say who they are.
    SignIn,
    /// This host knows no tokens, so nobody may.
    NoTokens,
    /// They may not, with their role; that one may.
    Needs(Role),
}

impl Role {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
        }
    }
}

impl Right {
    /// The least role that has it; none where nobody need be known.
    pub(super) fn role(self) -> Option<Role> {
        match self {
            Self::Nothing => None,
            Self::View => Some(Role::Viewer),
            Self::Operate => Some(Role::Operator),
            Self::Approve => Some(Role::Approver),
        }
    }

    /// Whether somebody, or nobody, has it on a host with or without tokens.
    pub(super) fn judge(self, tokens: bool, who: Option<Role>) -> Verdict {
        let Some(least) = self.role() else { return Verdict::Go };
        match who {
            Some(role) if role >= least => Verdict::Go,
            Some(_) => Verdict::Needs(least),
            None if tokens => Verdict::SignIn,
            // Whoever reaches such a host is on its machine.
            None if self == Self::View => Verdict::Go,
            None => Verdict::NoTokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_what() {
        use Right::{Approve, Nothing, Operate, View};
        use Role::{Approver, Operator, Viewer};
        for (right, tokens, who, verdict) in [
            (Nothing, true, None, Verdict::Go),
            (View, false, None, Verdict::Go),
            (View, true, None, Verdict::SignIn),
            (View, true, Some(Viewer), Verdict::Go),
            (Operate, false, None, Verdict::NoTokens),
            (Operate, true, None, Verdict::SignIn),
            (Operate, true, Some(Viewer), Verdict::Needs(Operator)),
            (Operate, true, Some(Operator), Verdict::Go),
            (Operate, true, Some(Approver), Verdict::Go),
            (Approve, false, None, Verdict::NoTokens),
            (Approve, true, Some(Operator), Verdict::Needs(Approver)),
            (Approve, true, Some(Approver), Verdict::Go),
        ] {
            assert_eq!(right.judge(tokens, who), verdict, "{right:?} {tokens} {who:?}");
        }
    }
}
