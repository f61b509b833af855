//! Keys of a lock that name a package manager: what stands under one is its own.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde_saphyr::Spanned;

use crate::packages::{MANAGERS, Manager};

/// The field of a struct in whose place the name of a package manager stands.
pub const TAG: &str = "@manager";

/// What was found beside the fields of a struct.
#[derive(Debug, Default)]
pub struct Found {
    /// The manager whose name stood in the place of [`TAG`].
    pub manager: Option<Manager>,
    /// Keys that are neither fields nor managers.
    pub unknown: Vec<UnknownKey>,
}

/// A key that means nothing here.
#[derive(Debug)]
pub struct UnknownKey {
    /// The key, and where it stands.
    pub key: Spanned<String>,
    /// Keys that could stand there.
    pub expected: Vec<&'static str>,
}

/// Reads a struct with a field [`TAG`], which stands under the name of its manager.
#[derive(Debug)]
pub struct TagReader<'f, D> {
    pub inner: D,
    pub found: &'f mut Found,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for TagReader<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(Tagged { fields, visitor, found: self.found })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Tagged<'f, V> {
    fields: &'static [&'static str],
    visitor: V,
    found: &'f mut Found,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Tagged<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Keys { map, fields: self.fields, found: self.found })
    }
}

/// The entries of a mapping, where the name of a manager is called [`TAG`].
struct Keys<'f, A> {
    map: A,
    fields: &'static [&'static str],
    found: &'f mut Found,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Keys<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key::<Spanned<String>>()? {
            if let Some(manager) = Manager::named(&key.value) {
                self.found.manager = Some(manager);
                return seed.deserialize(TAG.into_deserializer()).map(Some);
            }
            if key.value != TAG && self.fields.contains(&key.value.as_str()) {
                return seed.deserialize(key.value.into_deserializer()).map(Some);
            }
            self.map.next_value::<de::IgnoredAny>()?;
            let own = self.fields.iter().copied().filter(|field| *field != TAG);
            let expected = own.chain(MANAGERS.iter().map(|manager| manager.name())).collect();
            self.found.unknown.push(UnknownKey { key, expected });
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// What stands under the names of managers.
#[derive(Debug)]
pub struct ByManager<T> {
    /// By manager, in the order of the text.
    pub known: Vec<(Manager, T)>,
    /// Keys that are no managers' names.
    pub unknown: Vec<UnknownKey>,
}

impl<T> Default for ByManager<T> {
    fn default() -> Self {
        Self { known: Vec::new(), unknown: Vec::new() }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ByManager<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

struct Entries<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
    type Value = ByManager<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping by package manager")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all = ByManager::default();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            match Manager::named(&key.value) {
                Some(manager) => all.known.push((manager, map.next_value()?)),
                None => {
                    map.next_value::<de::IgnoredAny>()?;
                    let expected = MANAGERS.iter().map(|manager| manager.name()).collect();
                    all.unknown.push(UnknownKey { key, expected });
                }
            }
        }
        Ok(all)
    }
}

/// Puts every manager's name in the place of [`TAG`] in a schema.
pub fn name_managers(schema: &mut schemars::Schema) {
    let Some(properties) = schema.get_mut("properties").and_then(|properties| properties.as_object_mut())
    else {
        return;
    };
    if let Some(of_tag) = properties.remove(TAG) {
        for manager in MANAGERS {
            properties.insert(manager.name().to_owned(), of_tag.clone());
        }
    }
}
