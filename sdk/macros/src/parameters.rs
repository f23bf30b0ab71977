//! `#[derive(Parameters)]` and `#[derive(Choice)]`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Attribute, Data, DeriveInput, Error, Expr, ExprLit, ExprUnary, Fields, Lit, Result, Type};

pub(crate) fn expand(input: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = syn::parse2(input)?;
    let named = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) => Some(&named.named),
            _ => None,
        },
        _ => None,
    };
    let Some(fields) = named else {
        return Err(Error::new_spanned(&input.ident, "parameters are a struct with named fields"));
    };
    let (mut described, mut read) = (Vec::new(), Vec::new());
    for field in fields {
        let Some(ident) = &field.ident else { continue };
        let kind = &field.ty;
        let name = crate::name(ident)?;
        let summary = crate::summary(&field.attrs);
        if summary.is_empty() {
            return Err(Error::new_spanned(ident, "document the parameter: operators read it in `host inspect`"));
        }
        let Settings { default, minimum, maximum } = Settings::read(kind, &field.attrs)?;
        described.push(quote_spanned! {at(kind)=>
            ::taskhost_sdk::parameters::describe::<#kind>(#name, #summary, #default, #minimum, #maximum)
        });
        read.push(quote!(#ident: ::taskhost_sdk::parameters::take(&mut arguments, #name)?));
    }
    let (ident, (generics, type_generics, clause)) = (&input.ident, input.generics.split_for_impl());
    Ok(quote! {
        impl #generics ::taskhost_sdk::parameters::Parameters for #ident #type_generics #clause {
            fn describe() -> Vec<::taskhost_sdk::parameters::Parameter> {
                vec![#(#described),*]
            }

            fn from_arguments(
                mut arguments: Vec<::taskhost_sdk::parameters::Argument>,
            ) -> ::taskhost_sdk::Result<Self> {
                Ok(Self { #(#read),* })
            }
        }
    })
}

/// What `#[parameter(...)]` says, as expressions of `Option`.
struct Settings {
    default: TokenStream,
    minimum: TokenStream,
    maximum: TokenStream,
}

impl Settings {
    fn read(kind: &Type, attributes: &[Attribute]) -> Result<Self> {
        let mut settings = Self { default: quote!(None), minimum: quote!(None), maximum: quote!(None) };
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("parameter")) {
            attribute.parse_nested_meta(|meta| {
                let known = ["default", "min", "max"].iter().any(|name| meta.path.is_ident(name));
                if !known {
                    return Err(meta.error("a parameter has `default`, `min` and `max`"));
                }
                let value: Expr = meta.value()?.parse()?;
                if meta.path.is_ident("default") {
                    settings.default = default(kind, &value);
                } else if meta.path.is_ident("min") {
                    settings.minimum = bound(kind, &value)?;
                } else {
                    settings.maximum = bound(kind, &value)?;
                }
                Ok(())
            })?;
        }
        Ok(settings)
    }
}

fn default(kind: &Type, value: &Expr) -> TokenStream {
    // Read here once more, while compiling: there a text that is no duration or no size is an error.
    let checked = reader(kind).map(|reader| quote_spanned!(at(value)=> const _: u64 = #reader(#value);));
    quote_spanned!(at(value)=> Some({
        #checked
        <#kind as ::taskhost_sdk::parameters::ParameterValue>::value(#value)
    }))
}

/// A number, or of a duration or size a text with a unit, as a bound.
fn bound(kind: &Type, value: &Expr) -> Result<TokenStream> {
    match (value, reader(kind)) {
        (Expr::Lit(ExprLit { lit: Lit::Int(_) | Lit::Float(_), .. }) | Expr::Unary(ExprUnary { .. }), _) => {
            Ok(quote!(Some((#value) as f64)))
        }
        (Expr::Lit(ExprLit { lit: Lit::Str(_), .. }), Some(reader)) => {
            Ok(quote_spanned!(at(value)=> Some(const { #reader(#value) } as f64)))
        }
        (other, Some(_)) => {
            Err(Error::new_spanned(other, "a bound is a number, or a text with a unit like \"1h\" or \"64KiB\""))
        }
        (other, None) => Err(Error::new_spanned(other, "a bound is a number")),
    }
}

/// Where a message about generated code points, without passing the code off as the author's own to the lints.
fn at(node: &impl syn::spanned::Spanned) -> Span {
    Span::call_site().located_at(node.span())
}

/// What reads a text as a value of the type, for a type that is written with a unit.
fn reader(kind: &Type) -> Option<TokenStream> {
    let Type::Path(path) = kind else { return None };
    let last = path.path.segments.last()?;
    match last.ident.to_string().as_str() {
        "Duration" => Some(quote!(::taskhost_sdk::parameters::seconds)),
        "Size" => Some(quote!(::taskhost_sdk::parameters::bytes)),
        "Option" => match &last.arguments {
            syn::PathArguments::AngleBracketed(arguments) => match arguments.args.first()? {
                syn::GenericArgument::Type(inner) => reader(inner),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

pub(crate) fn expand_choice(input: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = syn::parse2(input)?;
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "a choice is an enum"));
    };
    if data.variants.is_empty() {
        return Err(Error::new_spanned(&input.ident, "a choice has a variant for each word"));
    }
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(&input.generics, "a choice has no type parameters"));
    }
    let (mut words, mut variants) = (Vec::new(), Vec::new());
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(Error::new_spanned(variant, "a choice's variants have no fields"));
        }
        words.push(crate::name(&variant.ident)?);
        variants.push(&variant.ident);
    }
    let ident = &input.ident;
    Ok(quote! {
        impl ::taskhost_sdk::parameters::Choice for #ident {
            const WORDS: &'static [&'static str] = &[#(#words),*];

            fn from_word(word: &str) -> Option<Self> {
                match word {
                    #(#words => Some(Self::#variants),)*
                    _ => None,
                }
            }

            fn word(&self) -> &'static str {
                match self {
                    #(Self::#variants => #words,)*
                }
            }
        }

        ::taskhost_sdk::parameter_from_choice!(#ident);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(expanded: Result<TokenStream>) -> String {
        expanded.map(|tokens| tokens.to_string()).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_a_parameter_says_why() {
        for (source, expected) in [
            ("enum Options { A }", "a struct with named fields"),
            ("struct Options(u32);", "a struct with named fields"),
            ("struct Options { undocumented: u32 }", "document the parameter"),
            ("struct Options { #[doc = \"\"] empty: u32 }", "document the parameter"),
            ("struct Options { /** N. */ _n: u32 }", "`-n` is no name that an operator can write"),
            ("struct Options { /** N. */ größe: u32 }", "`größe` is no name"),
            ("struct Options { /** N. */ #[parameter(minimum = 1)] n: u32 }", "`default`, `min` and `max`"),
            ("struct Options { /** N. */ #[parameter(default)] n: u32 }", "expected `=`"),
            ("struct Options { /** N. */ #[parameter(min = \"1h\")] n: u32 }", "a bound is a number"),
            ("struct Options { /** N. */ #[parameter(max = LIMIT)] n: Duration }", "a text with a unit"),
        ] {
            let message = message(expand(source.parse().unwrap()));
            assert!(message.contains(expected), "{source}: {message}");
        }
    }

    #[test]
    fn what_cannot_be_a_choice_says_why() {
        for (source, expected) in [
            ("struct Word;", "a choice is an enum"),
            ("enum Word {}", "a variant for each word"),
            ("enum Word { A(u32) }", "variants have no fields"),
            ("enum Word<T> { A }", "no type parameters"),
        ] {
            let message = message(expand_choice(source.parse().unwrap()));
            assert!(message.contains(expected), "{source}: {message}");
        }
    }

    #[test]
    fn texts_with_a_unit_are_read_by_their_type_while_compiling() {
        for (kind, expected) in [
            ("Duration", Some("seconds")),
            ("std::time::Duration", Some("seconds")),
            ("Option<Duration>", Some("seconds")),
            ("Size", Some("bytes")),
            ("u64", None),
            ("Vec<String>", None),
        ] {
            let kind: Type = syn::parse_str(kind).unwrap();
            let found = reader(&kind).map(|tokens| tokens.to_string());
            assert_eq!(found.as_deref().and_then(|path| path.rsplit(' ').next()), expected);
        }
    }

    #[test]
    fn names_become_kebab_case_and_comments_one_line() {
        let source =
            "struct Options { /** Warn this many days\n before. */ #[parameter(default = 30)] r#warn_days: u32 }";
        let expanded = expand(source.parse().unwrap()).unwrap().to_string();
        assert!(expanded.contains("\"warn-days\" , \"Warn this many days before.\""), "{expanded}");
        let expanded = expand_choice("enum Word { OldestFirst }".parse().unwrap()).unwrap().to_string();
        assert!(expanded.contains("\"oldest-first\""), "{expanded}");
    }
}
