//! `src/proto` is made of `proto/`: this test makes it again in memory and compares. `UPDATE=1` writes it (`make proto`).
//! Needs no protoc.

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// A proto file and what is made of it.
struct Source {
    file: &'static str,
    package: &'static str,
    module: &'static str,
    /// Messages with a JSON form, and with them all that they hold.
    roots: &'static [&'static str],
    /// Fields that are written even when they are zero (client-protocol 1.2, server-api 1.5).
    always: &'static [&'static str],
    /// Numbers of fields of `Command` and `Reply` that belong to the paid edition: no JSON asks for them.
    skipped: std::ops::RangeInclusive<i32>,
}

const SOURCES: &[Source] = &[
    Source {
        file: "client.proto",
        package: "centrifugal.centrifuge.protocol",
        module: "client",
        roots: &["Command", "Reply", "Push", "EmulationRequest"],
        always: &[
            "ClientInfo.user",
            "ClientInfo.client",
            "PresenceResult.presence",
            "PresenceStatsResult.num_clients",
            "PresenceStatsResult.num_users",
            "HistoryResult.publications",
            "HistoryResult.epoch",
            "HistoryResult.offset",
        ],
        skipped: 1000..=1000,
    },
    Source {
        file: "api.proto",
        package: "centrifugal.centrifugo.api",
        module: "api",
        roots: &["BatchRequest", "BatchResponse", "Error"],
        always: &[
            "ClientInfo.user",
            "ClientInfo.client",
            "PresenceResult.presence",
            "PresenceStatsResult.num_clients",
            "PresenceStatsResult.num_users",
            "HistoryResult.publications",
            "HistoryResult.epoch",
            "HistoryResult.offset",
            "ChannelsResult.channels",
            "NodeResult.uid",
            "NodeResult.name",
            "NodeResult.version",
            "NodeResult.num_clients",
            "NodeResult.num_users",
            "NodeResult.num_channels",
            "NodeResult.num_subs",
            "Metrics.items",
        ],
        skipped: 17..=35,
    },
    Source { file: "health.proto", package: "grpc.health.v1", module: "health", ..WITHOUT_JSON },
    Source { file: "reflection.proto", package: "grpc.reflection.v1", module: "reflection", ..WITHOUT_JSON },
    Source {
        file: "reflection_v1alpha.proto",
        package: "grpc.reflection.v1alpha",
        module: "reflection_v1alpha",
        ..WITHOUT_JSON
    },
];

/// Messages that only travel as Protobuf.
const WITHOUT_JSON: Source = Source { file: "", package: "", module: "", roots: &[], always: &[], skipped: 0..=0 };

/// The file of the client protocol: it has no GRPC service, so nobody asks for its description.
const UNDESCRIBED: &str = "client.proto";

fn descriptors(root: &Path) -> FileDescriptorSet {
    let files: Vec<_> = SOURCES.iter().map(|source| root.join("proto").join(source.file)).collect();
    protox::compile(files, [root.join("proto")]).expect("good proto files")
}

/// The prost messages, by module.
fn messages(set: &FileDescriptorSet) -> Vec<(String, String)> {
    let out = tempfile::tempdir().expect("a folder");
    let mut config = prost_build::Config::new();
    config.bytes(["."]).btree_map(["."]).out_dir(out.path());
    boxed_paths(set).iter().for_each(|path| _ = config.boxed(path));
    paths_with_maps(set).iter().for_each(|path| _ = config.message_attribute(path, WITH_MAPS));
    config.compile_fds(set.clone()).expect("prost understands them");
    let read = |source: &Source| {
        let text = std::fs::read_to_string(out.path().join(format!("{}.rs", source.package))).expect("made");
        (format!("{}.rs", source.module), behind_derives(&text))
    };
    SOURCES.iter().map(read).collect()
}

/// Maps are written in full (`src/proto/maps.rs`).
const WITH_MAPS: &str = "#[prost(prost_path = \"crate::proto::maps\")]";

/// The attribute stands before the derive that it belongs to, which Rust is going to refuse.
fn behind_derives(text: &str) -> String {
    let mut lines: Vec<_> = text.split_inclusive('\n').collect();
    for at in (1..lines.len()).rev() {
        if lines[at - 1].trim() == WITH_MAPS {
            lines.swap(at - 1, at);
        }
    }
    lines.concat()
}

/// Messages with maps.
fn paths_with_maps(set: &FileDescriptorSet) -> Vec<String> {
    let is_map = |nested: &DescriptorProto| nested.options.as_ref().is_some_and(|options| options.map_entry());
    let mut paths = Vec::new();
    for file in set.file.iter() {
        let with_maps = file.message_type.iter().filter(|message| message.nested_type.iter().any(is_map));
        paths.extend(with_maps.map(|message| format!(".{}.{}", file.package(), message.name())));
    }
    paths
}

/// Bodies of the paid edition are boxed: commands and replies are moved about, and nobody sends these.
fn boxed_paths(set: &FileDescriptorSet) -> Vec<String> {
    let mut paths = Vec::new();
    for source in SOURCES {
        let file = set.file.iter().find(|file| file.package() == source.package).expect("compiled");
        for message in file.message_type.iter().filter(|m| matches!(m.name(), "Command" | "Reply")) {
            let skipped = message.field.iter().filter(|field| source.skipped.contains(&field.number()));
            paths.extend(skipped.map(|field| format!(".{}.{}.{}", source.package, message.name(), field.name())));
        }
    }
    paths
}

/// The JSON forms, by module.
fn json(set: &FileDescriptorSet) -> Vec<(String, String)> {
    let make = |source: &Source| {
        let file = set.file.iter().find(|file| file.package() == source.package).expect("compiled");
        (format!("{}_json.rs", source.module), json_of(file, source))
    };
    SOURCES.iter().filter(|source| !source.roots.is_empty()).map(make).collect()
}

/// What reflection serves: without comments, which would triple it.
fn described(set: &FileDescriptorSet) -> Vec<u8> {
    let files = set.file.iter().filter(|file| file.name() != UNDESCRIBED);
    let bare = |file: &FileDescriptorProto| FileDescriptorProto { source_code_info: None, ..file.clone() };
    FileDescriptorSet { file: files.map(bare).collect() }.encode_to_vec()
}

fn json_of(file: &FileDescriptorProto, source: &Source) -> String {
    let mut out = format!(
        "// Made from proto/{} by `make proto`; do not edit.\n\nuse super::json::Object;\nuse super::json_read::member;\n\
         use super::json_write::Writer;\nuse super::{}::*;\nuse serde::de::MapAccess;\n",
        source.file, source.module
    );
    let mut wanted: Vec<String> = source.roots.iter().map(ToString::to_string).collect();
    let mut done = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if !done.insert(name.clone()) {
            continue;
        }
        let message = file.message_type.iter().find(|m| m.name() == name).unwrap_or_else(|| panic!("{name}"));
        for field in fields(message, source) {
            wanted.extend(held_type(message, field));
        }
    }
    for message in file.message_type.iter().filter(|message| done.contains(message.name())) {
        implementation(&mut out, message, source);
    }
    out
}

/// The fields with a JSON form.
fn fields<'a>(message: &'a DescriptorProto, source: &'a Source) -> impl Iterator<Item = &'a FieldDescriptorProto> {
    let is_envelope = matches!(message.name(), "Command" | "Reply");
    message
        .field
        .iter()
        .filter(move |field| field.r#type() != Type::Enum && !(is_envelope && source.skipped.contains(&field.number())))
}

/// The message that a field holds, itself or as the value of a map.
fn held_type(message: &DescriptorProto, field: &FieldDescriptorProto) -> Option<String> {
    if field.r#type() != Type::Message {
        return None;
    }
    let name = field.type_name().rsplit('.').next().expect("a name");
    let entry = message.nested_type.iter().find(|nested| nested.name() == name);
    match entry {
        Some(entry) => held_type(message, &entry.field[1]),
        None => Some(name.to_string()),
    }
}

fn implementation(out: &mut String, message: &DescriptorProto, source: &Source) {
    let name = message.name().strip_prefix("RPC").map_or(message.name().to_string(), |rest| format!("Rpc{rest}"));
    let fields: Vec<_> = fields(message, source).collect();
    let (map, to) = if fields.is_empty() { ("_", "_") } else { ("map", "out") };
    let key = if fields.is_empty() { "_" } else { "key" };
    writeln!(out, "\nimpl Object for {name} {{").expect("memory");
    writeln!(
        out,
        "    fn read<'de, A: MapAccess<'de>>(&mut self, {key}: &str, {map}: &mut A) -> Result<bool, A::Error> {{"
    )
    .expect("memory");
    if fields.is_empty() {
        writeln!(out, "        Ok(false)").expect("memory");
    } else {
        writeln!(out, "        match key {{").expect("memory");
        for field in &fields {
            writeln!(out, "            {:?} => member(map, &mut self.{}),", field.name(), ident(field))
                .expect("memory");
        }
        writeln!(out, "            _ => Ok(false),\n        }}").expect("memory");
    }
    writeln!(out, "    }}\n\n    fn write(&self, {to}: &mut Writer<'_>) {{").expect("memory");
    for field in &fields {
        let is_always = source.always.contains(&format!("{}.{}", message.name(), field.name()).as_str());
        let call = if is_always { "member_always" } else { "member" };
        writeln!(out, "        out.{call}({:?}, &self.{});", field.name(), ident(field)).expect("memory");
    }
    writeln!(out, "    }}\n}}").expect("memory");
    assert!(field_labels_are_known(message), "{}", message.name());
}

fn ident(field: &FieldDescriptorProto) -> String {
    match field.name() {
        keyword @ ("type" | "override" | "pub") => format!("r#{keyword}"),
        name => name.into(),
    }
}

/// proto2's required fields would want another treatment.
fn field_labels_are_known(message: &DescriptorProto) -> bool {
    message.field.iter().all(|field| matches!(field.label(), Label::Optional | Label::Repeated))
}

#[test]
fn the_generated_code_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let set = descriptors(root);
    let update = std::env::var_os("UPDATE").is_some();
    let texts = messages(&set).into_iter().chain(json(&set)).map(|(name, text)| (name, text.into_bytes()));
    for (name, made) in texts.chain([("descriptors.bin".into(), described(&set))]) {
        let path = root.join("src/proto").join(&name);
        if update {
            std::fs::write(&path, &made).expect("written");
        }
        let present = std::fs::read(&path).unwrap_or_default();
        assert!(present == made, "src/proto/{name} is not what proto/ makes of it: run `make proto`");
    }
}
