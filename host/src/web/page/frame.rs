//! What is around every page: where one is, who one is, where one can go.

use axum::http::StatusCode;
use axum::response::Response;
use maud::{DOCTYPE, Markup, html};

use super::{links, page, see};
use crate::web::Site;
use crate::web::assets::{ICON, SCRIPT, STYLE};
use crate::web::auth::{Right, Verdict};
use crate::web::call::{Call, Shape};
use crate::web::csrf;
use crate::web::failure::Failure;

/// Whoever looks, and at what.
#[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
pub(in crate::web) struct Frame {
    /// All that are served.
    pub(super) bundles: Vec<String>,
    /// The one that is looked at.
    pub(super) bundle: Option<String>,
    /// Name and role.
    person: Option<(String, &'static str)>,
    /// This host knows tokens.
    pub(super) tokens: bool,
    /// They sign in here, and not at a proxy.
    session: bool,
    /// They may run, stop, pause and tick.
    pub(super) operates: bool,
    pub(super) approves: bool,
    token: String,
}

/// Seconds between two looks at how things stand.
const REFRESH: u8 = 5;

const PAGES: [(&str, &str); 6] = [
    ("", "Today"),
    ("calendar", "Calendar"),
    ("runs", "Runs"),
    ("grants", "Grants"),
    ("log", "Log"),
    ("events", "Events"),
];

impl Frame {
    pub(in crate::web) fn of(call: &Call) -> Self {
        let (site, caller) = (&call.site, &call.caller);
        let tokens = site.gate.tokens.is_some();
        let role = caller.person.as_ref().map(|person| person.role);
        let may = |right: Right| role.is_some() && right.judge(tokens, role) == Verdict::Go;
        let sees = Right::View.judge(tokens, role) == Verdict::Go;
        let names = site.bundles.iter().filter(|_| sees).map(|served| served.name.clone());
        Self {
            bundles: names.collect(),
            bundle: call.served().ok().filter(|_| sees).map(|served| served.name.clone()),
            person: caller.person.as_ref().map(|person| (person.name.clone(), person.role.name())),
            tokens,
            session: site.gate.user_header.is_none(),
            operates: may(Right::Operate),
            approves: may(Right::Approve),
            token: site.gate.form_token(caller),
        }
    }

    /// Nobody, who looks at nothing.
    pub(in crate::web) fn unknown(site: &Site) -> Self {
        Self {
            bundles: vec![],
            bundle: None,
            person: None,
            tokens: site.gate.tokens.is_some(),
            session: true,
            operates: false,
            approves: false,
            token: String::new(),
        }
    }

    /// What every form has in it.
    pub(super) fn token(&self) -> Markup {
        html! { input type="hidden" name=(csrf::FIELD) value=(self.token); }
    }

    /// A button that is a form of its own.
    pub(super) fn button(&self, action: &str, label: &str, class: &str, fields: &[(&str, &str)]) -> Markup {
        html! {
            form.inline method="post" action=(action) {
                (self.token())
                @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
                button class=(class) { (label) }
            }
        }
    }

    /// A whole page. `here` is its address within the bundle.
    pub(super) fn show(&self, title: &str, here: &str, body: &Markup) -> Response {
        self.whole(title, here, &html! {}, &html! { main #main { (body) } })
    }

    /// A page of how things stand: its parts, which are marked as `data-part`, are kept up to date where scripts run.
    pub(super) fn standing(&self, title: &str, here: &str, body: &Markup) -> Response {
        let main = html! {
            main #main data-refresh=(REFRESH) {
                p.banner.warning #stale role="status" hidden { "This is how things stood before: the host does not answer, or it asks to sign in anew." }
                (body)
            }
        };
        self.whole(title, here, &html! {}, &main)
    }

    /// A page that a browser without scripts loads anew every few seconds.
    pub(super) fn passing(&self, title: &str, body: &Markup) -> Response {
        let head = html! { noscript { meta http-equiv="refresh" content="3"; } };
        self.whole(title, "-", &head, &html! { main #main { (body) } })
    }

    fn whole(&self, title: &str, here: &str, head: &Markup, main: &Markup) -> Response {
        let place = self.bundle.as_deref().unwrap_or("Taskhost");
        page(html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    title { (title) " · " (place) }
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    link rel="icon" type="image/svg+xml" href=(ICON.address());
                    link rel="stylesheet" href=(STYLE.address());
                    script src=(SCRIPT.address()) defer {}
                    (head)
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header.top {
                        div.place {
                            @if let Some(bundle) = &self.bundle {
                                a.brand href=(links::of(bundle, "")) { (bundle) }
                                @if self.bundles.len() > 1 { a.quiet href="/" { "all bundles" } }
                            } @else {
                                a.brand href="/" { "Taskhost" }
                            }
                        }
                        @if let Some(bundle) = &self.bundle {
                            nav.pages aria-label="Pages" {
                                @for (address, name) in PAGES {
                                    a href=(links::of(bundle, address)) aria-current=[(address == here).then_some("page")] { (name) }
                                }
                            }
                        }
                        (self.account())
                    }
                    (main)
                }
            }
        })
    }

    fn account(&self) -> Markup {
        html! {
            div.account {
                @if let Some((name, role)) = &self.person {
                    span { (name) " " span.quiet { (role) } }
                    @if self.session { (self.button("/sign-out", "Sign out", "plain", &[])) }
                } @else if self.tokens {
                    a href="/sign-in" { "Sign in" }
                } @else {
                    span.quiet title="Started without --tokens: nobody may change anything" { "Look only" }
                }
            }
        }
    }

    /// Why there are no buttons, where there are none.
    pub(super) fn why_not(&self) -> Markup {
        html! {
            @if !self.operates {
                p.quiet {
                    @if self.person.is_some() {
                        "Your role looks; to run, stop, pause or tick takes an operator."
                    } @else if self.tokens {
                        a href="/sign-in" { "Sign in" } " as an operator to run, stop, pause or tick."
                    } @else {
                        "To change things, make a token with " code { "host token add NAME --role operator --tokens FILE" }
                        " and start the host with " code { "--tokens FILE" } "."
                    }
                }
            }
        }
    }
}

/// A failure: as JSON for programs, as a page with a way out for people.
pub(in crate::web) fn fail(shape: &Shape, frame: &Frame, failure: Failure) -> Response {
    if shape.api {
        return failure.json();
    }
    if failure.status == StatusCode::UNAUTHORIZED && shape.looks {
        let address = links::with("/sign-in", &[("to", shape.target.as_str())]);
        return see(&address).unwrap_or_else(Failure::json);
    }
    let title = failure.status.canonical_reason().unwrap_or("Failed");
    let body = html! {
        section.notice {
            h1 { (title) }
            p.detail { (failure.message) }
            p {
                @if let Some(bundle) = &frame.bundle { a href=(links::of(bundle, "")) { "To what runs today" } }
                @else { a href="/" { "To the first page" } }
                @if !frame.operates && frame.tokens { " · " a href="/sign-in" { "Sign in" } }
            }
        }
    };
    let response = frame.show(title, "-", &body);
    failure.complete(response)
}
