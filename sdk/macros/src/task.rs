//! `#[task(summary = "...", slots = [...], memory = "128MiB")]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Error, Expr, ItemFn, LitStr, Result};

/// What `#[task(...)]` says.
#[derive(Default)]
struct Settings {
    summary: Option<LitStr>,
    slots: Option<Expr>,
    memory: Option<LitStr>,
}

impl Settings {
    fn read(attribute: TokenStream) -> Result<Self> {
        let mut settings = Self::default();
        let parser = syn::meta::parser(|meta| {
            if meta.path.is_ident("summary") {
                settings.summary = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("slots") {
                settings.slots = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("memory") {
                settings.memory = Some(meta.value()?.parse()?);
            } else {
                return Err(meta.error("a task has `summary = \"...\"`, `slots = [...]` and `memory = \"128MiB\"`"));
            }
            Ok(())
        });
        syn::parse::Parser::parse2(parser, attribute)?;
        Ok(settings)
    }
}

pub(crate) fn expand(attribute: TokenStream, function: TokenStream) -> Result<TokenStream> {
    let function: ItemFn = syn::parse2(function)?;
    let Settings { summary, slots, memory } = Settings::read(attribute)?;
    let name = &function.sig.ident;
    if function.sig.asyncness.is_none() {
        return Err(Error::new_spanned(function.sig.fn_token, "a task is an `async fn`"));
    }
    if !function.sig.generics.params.is_empty() {
        return Err(Error::new_spanned(&function.sig.generics, "a task has no type parameters"));
    }
    if matches!(function.sig.output, syn::ReturnType::Default) {
        return Err(Error::new_spanned(name, "a task returns `Result<String>`: what it did or found, in one line"));
    }
    if function.sig.inputs.len() > 1 {
        return Err(Error::new_spanned(&function.sig.inputs, "a task takes nothing, or one struct of parameters"));
    }
    let summary = match summary {
        Some(summary) => summary.value(),
        None => crate::summary(&function.attrs),
    };
    if summary.is_empty() {
        return Err(Error::new_spanned(name, "say in one line what the task does: #[task(summary = \"...\")]"));
    }
    let memory = match memory {
        Some(memory) => {
            let span = proc_macro2::Span::call_site().located_at(memory.span());
            quote_spanned!(span=> Some(const { ::taskhost_sdk::parameters::bytes(#memory) }))
        }
        None => quote!(None),
    };
    let slots = match &slots {
        Some(Expr::Array(array)) => {
            let slots = array.elems.iter();
            quote!(vec![#(#slots.describe()),*])
        }
        Some(other) => return Err(Error::new_spanned(other, "write the slots as a list: slots = [DATABASE, LOGS]")),
        None => quote!(vec![]),
    };
    let (parameters, call) = match function.sig.inputs.first() {
        Some(syn::FnArg::Typed(argument)) => {
            let kind = &argument.ty;
            (
                quote!(<#kind as ::taskhost_sdk::parameters::Parameters>::describe()),
                quote!({
                    let arguments = <#kind as ::taskhost_sdk::parameters::Parameters>::from_arguments(arguments)?;
                    #name(arguments).await
                }),
            )
        }
        Some(receiver @ syn::FnArg::Receiver(_)) => {
            return Err(Error::new_spanned(receiver, "a task is a free function"));
        }
        None => (quote!(vec![]), quote!({ let _ = arguments; #name().await })),
    };
    // Points at the type that the function returns when that is another.
    let returned = proc_macro2::Span::call_site().located_at(function.sig.output.span());
    let typed = quote_spanned!(returned=> let ran: ::taskhost_sdk::Result<String> = ran;);
    // Only a component has the exports: their names are none that a native linker takes, and a plugin's own tests run
    // natively. There the task is called by nobody.
    Ok(quote! {
        #[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
        #[allow(clippy::unused_async)]
        #function

        #[cfg(target_family = "wasm")]
        #[doc(hidden)]
        #[allow(missing_docs, unreachable_pub, unsafe_code, clippy::all, clippy::pedantic)]
        mod __taskhost_task {
            use super::*;

            struct Task;

            impl ::taskhost_sdk::bindings::exports::taskhost::host::task::Guest for Task {
                fn describe() -> ::taskhost_sdk::bindings::exports::taskhost::host::task::Description {
                    ::taskhost_sdk::bindings::exports::taskhost::host::task::Description {
                        name: const { ::taskhost_sdk::parameters::plugin_name(env!("CARGO_PKG_NAME")) }.into(),
                        version: env!("CARGO_PKG_VERSION").into(),
                        summary: #summary.into(),
                        parameters: #parameters,
                        slots: #slots,
                        memory: #memory,
                    }
                }

                async fn run(
                    arguments: Vec<::taskhost_sdk::bindings::exports::taskhost::host::task::Argument>,
                ) -> Result<String, ::taskhost_sdk::bindings::exports::taskhost::host::task::Failure> {
                    let ran = async #call.await;
                    #typed
                    ran.map_err(Into::into)
                }
            }

            ::taskhost_sdk::bindings::export!(Task with_types_in ::taskhost_sdk::bindings);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "async fn clean(options: Options) -> Result<String> { todo() }";

    #[test]
    fn what_cannot_be_a_task_says_why() {
        for (attribute, function, expected) in [
            ("summary = \"cleans\"", "fn clean() -> Result<String> {}", "a task is an `async fn`"),
            ("summary = \"cleans\"", "async fn clean() {}", "a task returns `Result<String>`"),
            ("summary = \"cleans\"", "async fn clean(a: A, b: B) -> Result<String> {}", "one struct of parameters"),
            ("summary = \"cleans\"", "async fn clean(&self) -> Result<String> {}", "a free function"),
            ("summary = \"cleans\"", "async fn clean<T>() -> Result<String> {}", "no type parameters"),
            ("summary = \"cleans\"", "struct Clean;", "expected `fn`"),
            ("", GOOD, "say in one line what the task does"),
            ("summary = \"\"", GOOD, "say in one line what the task does"),
            ("summary = \"cleans\", slots = LOGS", GOOD, "write the slots as a list"),
            ("summary = \"cleans\", name = \"clean\"", GOOD, "a task has `summary"),
        ] {
            let expanded = expand(attribute.parse().unwrap(), function.parse().unwrap());
            let message = expanded.map(|tokens| tokens.to_string()).unwrap_err().to_string();
            assert!(message.contains(expected), "{attribute} {function}: {message}");
        }
    }

    #[test]
    fn the_summary_is_the_comment_where_none_is_given() {
        let function = format!("/// Cleans up.\n///\n/// More of it.\n{GOOD}");
        let expanded = expand(TokenStream::new(), function.parse().unwrap()).unwrap().to_string();
        assert!(expanded.contains("summary : \"Cleans up.\""), "{expanded}");
    }
}
