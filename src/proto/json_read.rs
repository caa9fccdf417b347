//! Reading by Go's rules: keys in any case, the last duplicate wins, `null` is nothing, raw fields keep their bytes,
//! numbers are strict, strings are lenient (a lone surrogate and an invalid byte become U+FFFD).

use super::json::Object;
use bytes::Bytes;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// The document as text: every byte that is no UTF-8 becomes U+FFFD. Also within raw payloads, because JSON subscribers
/// could not be sent them in a text frame.
pub(super) fn text(document: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = simdutf8::basic::from_utf8(document) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(document.len() + 16);
    for chunk in document.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(out)
}

/// A type that a member may have.
pub trait Field: Sized {
    /// Reads a value.
    ///
    /// # Errors
    /// It is of another type.
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error>;
}

/// Reads the value of a member into its field.
///
/// # Errors
/// It is of another type.
pub fn member<'de, A: MapAccess<'de>, T: Field>(map: &mut A, field: &mut T) -> Result<bool, A::Error> {
    *field = map.next_value_seed(Seed(PhantomData))?;
    Ok(true)
}

/// Reads a message; `null` is an empty one.
pub(super) fn message<'de, D: Deserializer<'de>, T: Object>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::read(from)?.unwrap_or_default())
}

struct Seed<T>(PhantomData<T>);

impl<'de, T: Field> DeserializeSeed<'de> for Seed<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<T, D::Error> {
        T::read(from)
    }
}

/// A scalar as it is written, `None` for `null`.
fn scalar<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de str>, D::Error> {
    let text = <&RawValue>::deserialize(from)?.get();
    Ok((text != "null").then_some(text))
}

impl Field for String {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
        match scalar(from)? {
            None => Ok(String::new()),
            Some(text) => unquote(text).map(Cow::into_owned).ok_or_else(|| D::Error::custom("a string is expected")),
        }
    }
}

impl Field for Bytes {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let raw = <&RawValue>::deserialize(from)?;
        Ok(Bytes::copy_from_slice(raw.get().as_bytes()))
    }
}

macro_rules! parsed {
    ($($type:ty)*) => {$(
        impl Field for $type {
            fn read<'de, D: Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
                match scalar(from)? {
                    None => Ok(<$type>::default()),
                    // Fractions, exponents and numbers out of range do not parse.
                    Some(text) => text.parse().map_err(|_| D::Error::custom(stringify!($type))),
                }
            }
        }
    )*};
}
parsed!(bool u32 i32 u64 i64 f64);

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Object> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut object = T::default();
        while let Some(key) = map.next_key::<&RawValue>()? {
            let key = unquote(key.get()).map(fold).unwrap_or_default();
            if !object.read(&key, &mut map)? {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(object)
    }
}

struct OptionVisitor<T>(PhantomData<T>);

impl<'de, T: Object> Visitor<'de> for OptionVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Option<T>, D::Error> {
        from.deserialize_map(ObjectVisitor(PhantomData)).map(Some)
    }
}

impl<T: Object> Field for Option<T> {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
        from.deserialize_option(OptionVisitor(PhantomData))
    }
}

/// A list whose items are read as `I` and kept as `T`.
struct ListVisitor<I, T>(fn(I) -> T);

impl<'de, I: Field, T> Visitor<'de> for ListVisitor<I, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_none<E: Error>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Vec<T>, D::Error> {
        from.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Seed::<I>(PhantomData))? {
            list.push((self.0)(item));
        }
        Ok(list)
    }
}

impl Field for Vec<String> {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
        from.deserialize_option(ListVisitor(|item: String| item))
    }
}

impl<T: Object> Field for Vec<T> {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error> {
        from.deserialize_option(ListVisitor(|item: Option<T>| item.unwrap_or_default()))
    }
}

impl<T: Object> Field for Vec<Option<T>> {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Option<T>>, D::Error> {
        from.deserialize_option(ListVisitor(|item: Option<T>| item))
    }
}

/// A map whose values are read as `I` and kept as `T`.
struct MapVisitor<I, T>(fn(I) -> T);

impl<'de, I: Field, T> Visitor<'de> for MapVisitor<I, T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_unit<E: Error>(self) -> Result<BTreeMap<String, T>, E> {
        Ok(BTreeMap::new())
    }

    fn visit_none<E: Error>(self) -> Result<BTreeMap<String, T>, E> {
        Ok(BTreeMap::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<BTreeMap<String, T>, D::Error> {
        from.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<BTreeMap<String, T>, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(key) = items.next_key::<&RawValue>()? {
            let key = unquote(key.get()).unwrap_or_default().into_owned();
            map.insert(key, (self.0)(items.next_value_seed(Seed::<I>(PhantomData))?));
        }
        Ok(map)
    }
}

impl Field for BTreeMap<String, String> {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_option(MapVisitor(|value: String| value))
    }
}

impl Field for BTreeMap<String, f64> {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_option(MapVisitor(|value: f64| value))
    }
}

impl<T: Object> Field for BTreeMap<String, T> {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_option(MapVisitor(|value: Option<T>| value.unwrap_or_default()))
    }
}

/// Keys are compared as Go folds them: ASCII case, and the two letters that fold to ASCII ones.
fn fold(key: Cow<'_, str>) -> Cow<'_, str> {
    if key.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        return key;
    }
    let folded = key.chars().map(|c| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    Cow::Owned(folded.collect())
}

/// The text of a JSON string token; `None` when it is none. Its syntax was checked by serde_json.
fn unquote(token: &str) -> Option<Cow<'_, str>> {
    let inner = token.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    let (mut out, mut rest) = (String::with_capacity(inner.len()), inner);
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = escape.chars();
        let letter = chars.next()?;
        rest = chars.as_str();
        match letter {
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'u' => rest = unicode(rest, &mut out)?,
            other => out.push(other),
        }
    }
    out.push_str(rest);
    Some(Cow::Owned(out))
}

/// The character of `XXXX`, or of `XXXX\uXXXX` when both are halves of one; a lone half becomes U+FFFD.
fn unicode<'a>(text: &'a str, out: &mut String) -> Option<&'a str> {
    let (unit, rest) = (hex(text)?, text.get(4..)?);
    if let Some(low) = rest.strip_prefix("\\u").and_then(hex).filter(|low| (0xdc00..0xe000).contains(low))
        && (0xd800..0xdc00).contains(&unit)
    {
        let code = 0x10000 + ((u32::from(unit) - 0xd800) << 10) + (u32::from(low) - 0xdc00);
        out.push(char::from_u32(code)?);
        return rest.get(6..);
    }
    out.push(char::from_u32(unit.into()).unwrap_or(char::REPLACEMENT_CHARACTER));
    Some(rest)
}

fn hex(text: &str) -> Option<u16> {
    u16::from_str_radix(text.get(..4)?, 16).ok()
}
