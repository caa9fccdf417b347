//! The API as an OpenAPI 3.0 document: for the API page and for generators of clients. It is made of [`METHODS`], of the
//! descriptor of `proto/api.proto` and of the sentences of `docs/api.md`; nothing is written here a second time.
//!
//! Fields of type bytes are any JSON in this form of the API. Not in the document: the one-endpoint form, and what the
//! server takes without using it (fields and commands of the paid edition).

use super::{METHODS, manual};
use crate::proto::DESCRIPTORS;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Fields that are taken and not used.
pub const UNUSED: &[&str] = &["label_filter", "all_users", "process"];

const MEDIA: &str = "application/json";

/// The document for methods below `prefix`.
pub fn document(prefix: &str) -> String {
    let file = api_file();
    let names = METHODS.iter().map(|method| (method.name, method.rpc)).chain([("batch", "Batch")]);
    let paths: Map<String, Value> = names.map(|(name, rpc)| (format!("/{name}"), path(name, rpc))).collect();
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Corecast server API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a backend may ask of the server. An answer with status 200 carries `result` or `error`.",
        },
        "servers": [{"url": if prefix.is_empty() { "/" } else { prefix }}],
        "security": [{"apiKey": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
            "parameters": {"ErrorMode": error_mode()},
            "responses": responses(),
            "schemas": schemas(&file),
        },
    })
    .to_string()
}

/// The file that describes the API.
fn api_file() -> FileDescriptorProto {
    let set =
        FileDescriptorSet::decode(DESCRIPTORS).expect("committed bytes, kept fresh by tests/proto_fresh.rs: no input");
    set.file.into_iter().find(|file| file.name() == "api.proto").expect("in the committed set: no input")
}

fn path(name: &str, rpc: &str) -> Value {
    let section = manual::section(name).unwrap_or_default();
    let summary = manual::summary(section);
    let mut content = json!({"schema": reference("schemas", &format!("{rpc}Request"))});
    if let Some(example) = manual::example(section).and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        content["example"] = example;
    }
    let answer = json!({
        "description": "The result, or an error.",
        "content": {MEDIA: {"schema": reference("schemas", &format!("{rpc}Response"))}},
    });
    let mut operation = json!({
        "operationId": name,
        "tags": ["methods"],
        "summary": summary.split_once(". ").map_or(summary.as_str(), |(first, _)| first).trim_end_matches('.'),
        "description": summary,
        "requestBody": {"required": true, "content": {MEDIA: content}},
        "responses": {
            "200": answer,
            "400": reference("responses", "BadRequest"),
            "401": reference("responses", "Unauthorized"),
            "413": reference("responses", "TooLarge"),
        },
    });
    if name != "batch" {
        operation["parameters"] = json!([reference("parameters", "ErrorMode")]);
        operation["responses"]["default"] = reference("responses", "Error");
    }
    json!({"post": operation})
}

fn error_mode() -> Value {
    json!({
        "name": "X-Centrifugo-Error-Mode",
        "in": "header",
        "description": "Errors become HTTP statuses, and the body is the error alone.",
        "schema": {"type": "string", "enum": ["transport"]},
    })
}

fn responses() -> Value {
    let text = json!({"text/plain": {"schema": {"type": "string"}}});
    json!({
        "BadRequest": {"description": "The body is not what the method takes.", "content": text},
        "Unauthorized": {"description": "The key is missing or wrong."},
        "TooLarge": {"description": "The body is too large.", "content": text},
        "Error": {
            "description": "In transport error mode: the error, under a status that follows from its code.",
            "content": {MEDIA: {"schema": reference("schemas", "Error")}},
        },
    })
}

/// The messages of all methods, and with them all that they hold.
fn schemas(file: &FileDescriptorProto) -> BTreeMap<String, Value> {
    let names = METHODS.iter().map(|method| method.rpc).chain(["Batch"]);
    let mut wanted: Vec<String> = names.flat_map(|rpc| [format!("{rpc}Request"), format!("{rpc}Response")]).collect();
    let mut done = BTreeMap::new();
    while let Some(name) = wanted.pop() {
        if done.contains_key(&name) {
            continue;
        }
        let message = file
            .message_type
            .iter()
            .find(|message| message.name() == name)
            .expect("METHODS and fields name messages of the committed file: no input");
        wanted.extend(fields(message).filter_map(|field| held(message, field)));
        done.insert(name, schema(message));
    }
    done
}

/// The fields that the JSON form has. Commands and replies hold one for each method.
fn fields(message: &DescriptorProto) -> impl Iterator<Item = &FieldDescriptorProto> {
    let is_method = |field: &FieldDescriptorProto| METHODS.iter().any(|method| method.name == field.name());
    message.field.iter().filter(move |field| match message.name() {
        "Command" => is_method(field),
        "Reply" => is_method(field) || field.name() == "error",
        _ => !UNUSED.contains(&field.name()),
    })
}

/// The message that a field holds, itself or as the value of a map.
fn held(message: &DescriptorProto, field: &FieldDescriptorProto) -> Option<String> {
    match map_value(message, field) {
        Some((entry, value)) => held(entry, value),
        None => (field.r#type() == Type::Message).then(|| type_name(field).to_string()),
    }
}

/// A map is a list of entries, each with a key and a value.
fn map_value<'a>(
    message: &'a DescriptorProto,
    field: &FieldDescriptorProto,
) -> Option<(&'a DescriptorProto, &'a FieldDescriptorProto)> {
    let entry = message.nested_type.iter().find(|nested| nested.name() == type_name(field))?;
    entry.field.get(1).map(|value| (entry, value))
}

fn type_name(field: &FieldDescriptorProto) -> &str {
    field.type_name().rsplit('.').next().unwrap_or_default()
}

fn schema(message: &DescriptorProto) -> Value {
    let rows = manual::rows(message.name());
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields(message) {
        let row = rows.iter().find(|row| row.fields.contains(&field.name()));
        let meaning = row.map_or("", |row| row.meaning);
        properties.insert(field.name().into(), described(of_field(message, field), meaning));
        required.extend(row.filter(|row| row.is_required()).map(|_| field.name()));
    }
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// Nothing may stand beside a reference in OpenAPI 3.0.
fn described(schema: Value, meaning: &str) -> Value {
    let mut schema =
        if schema.get("$ref").is_some() && !meaning.is_empty() { json!({"allOf": [schema]}) } else { schema };
    if !meaning.is_empty() {
        schema["description"] = meaning.into();
    }
    schema
}

fn of_field(message: &DescriptorProto, field: &FieldDescriptorProto) -> Value {
    if let Some((entry, value)) = map_value(message, field) {
        return json!({"type": "object", "additionalProperties": of_field(entry, value)});
    }
    let one = match field.r#type() {
        Type::Message => reference("schemas", type_name(field)),
        Type::String => json!({"type": "string"}),
        Type::Bool => json!({"type": "boolean"}),
        Type::Double => json!({"type": "number", "format": "double"}),
        Type::Int32 => json!({"type": "integer", "format": "int32"}),
        Type::Int64 => json!({"type": "integer", "format": "int64"}),
        Type::Uint32 | Type::Uint64 => json!({"type": "integer", "format": "int64", "minimum": 0}),
        Type::Bytes => json!({}),
        other => unreachable!("the API has no fields of type {other:?}"),
    };
    if field.label() == Label::Repeated { json!({"type": "array", "items": one}) } else { one }
}

fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(prefix: &str) -> Value {
        serde_json::from_str(&document(prefix)).expect("JSON")
    }

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_resolves() {
        let document = parsed("/api");
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 20, "{}", found.len());
        for reference in found {
            let pointer = reference.strip_prefix('#').expect("within the document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_method_has_its_path_and_a_description() {
        let document = parsed("/api");
        for name in METHODS.iter().map(|method| method.name).chain(["batch"]) {
            let operation = &document["paths"][format!("/{name}")]["post"];
            assert_eq!(operation["operationId"], name);
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{name} has no section");
            assert!(operation["requestBody"]["content"][MEDIA]["example"].is_object(), "{name} has no example");
        }
        let paths = document["paths"].as_object().expect("paths");
        assert_eq!(paths.len(), METHODS.len() + 1);
    }

    #[test]
    fn fields_have_the_types_of_the_json_form() {
        let document = parsed("/api");
        let fields = &document["components"]["schemas"]["PublishRequest"]["properties"];
        assert_eq!(fields["tags"]["additionalProperties"], json!({"type": "string"}));
        assert_eq!(fields["data"].get("type"), None, "any JSON");
        assert_eq!((&fields["version"]["type"], &fields["delta"]["type"]), (&json!("integer"), &json!("boolean")));
        assert_eq!(document["components"]["schemas"]["PublishRequest"]["required"], json!(["channel"]));
        let responses = &document["components"]["schemas"]["BroadcastResult"]["properties"]["responses"];
        assert_eq!(responses["items"], reference("schemas", "PublishResponse"));
    }

    #[test]
    fn what_is_not_used_is_not_shown() {
        let document = parsed("/api");
        let schemas = document["components"]["schemas"].as_object().expect("schemas");
        assert!(!schemas.contains_key("FilterNode") && !schemas.contains_key("ConnectionsRequest"));
        let command = schemas["Command"]["properties"].as_object().expect("commands");
        assert_eq!(command.len(), METHODS.len());
    }

    #[test]
    fn the_server_is_the_prefix() {
        assert_eq!(parsed("/x/api")["servers"][0]["url"], "/x/api");
        assert_eq!(parsed("")["servers"][0]["url"], "/");
    }
}
