//! Values that have a short form: a text, a number or a truth in place of a table.

/// Makes a type that is read from its table, or from a short form of it, and has the JSON Schema of both.
macro_rules! short {
    (@visit text $make:expr) => {
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(($make)(text.to_owned()).into())
        }
    };
    (@visit number $make:expr) => {
        #[expect(clippy::cast_precision_loss, reason = "compared with a metric, which is a float")]
        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Self::Value, E> {
            Ok(($make)(number as f64).into())
        }

        fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Self::Value, E> {
            Ok(($make)(number).into())
        }
    };
    (@truth yes $make:expr, $truth:expr, $value:ty) => {
        if $truth {
            return Ok(<$value>::from($make));
        }
    };
    (@truth no $make:expr, $truth:expr, $value:ty) => {
        if !$truth {
            return Ok(<$value>::from($make));
        }
    };
    (@truth $other:ident $make:expr, $truth:expr, $value:ty) => {};
    (@schema text, $generator:expr) => { Some(<String as schemars::JsonSchema>::json_schema($generator)) };
    (@schema number, $generator:expr) => { Some(<f64 as schemars::JsonSchema>::json_schema($generator)) };
    (@schema yes, $generator:expr) => { Some(schemars::json_schema!({ "const": true })) };
    (@schema no, $generator:expr) => { Some(schemars::json_schema!({ "const": false })) };
    ($(#[$about:meta])* $name:ident($table:ty), $expecting:literal, $($form:ident: $make:expr),+ $(,)?) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        pub(super) struct $name(pub(super) $table);

        impl From<$table> for $name {
            fn from(table: $table) -> Self {
                Self(table)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl<'de> serde::de::Visitor<'de> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }

                    $(super::short::short!(@only $form $make);)+

                    fn visit_bool<E: serde::de::Error>(self, truth: bool) -> Result<Self::Value, E> {
                        $(super::short::short!(@truth $form $make, truth, $name);)+
                        Err(E::invalid_type(serde::de::Unexpected::Bool(truth), &self))
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                        <$table>::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Into::into)
                    }
                }
                deserializer.deserialize_any(Visitor)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut forms: Vec<schemars::Schema> =
                    [$(super::short::short!(@schema $form, generator)),+].into_iter().flatten().collect();
                forms.push(generator.subschema_for::<$table>());
                schemars::json_schema!({ "anyOf": forms })
            }
        }
    };
    (@only text $make:expr) => { super::short::short!(@visit text $make); };
    (@only number $make:expr) => { super::short::short!(@visit number $make); };
    (@only $other:ident $make:expr) => {};
}

pub(super) use short;

/// A value as a text: lists are parted by commas.
pub(super) fn text_of(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(values) => values.iter().map(text_of).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
