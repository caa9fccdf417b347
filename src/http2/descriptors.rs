//! What `proto/` says of the services, indexed once per process: which symbols there are and in which file each stands.

use crate::proto::DESCRIPTORS;
use bytes::Bytes;
use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// The index.
pub(super) struct Descriptors {
    /// Encoded files by name. None imports another, so that each is whole by itself.
    files: BTreeMap<String, Bytes>,
    /// Full names of services, methods, messages and enums, with the file of each.
    symbols: BTreeMap<String, String>,
    messages: BTreeSet<String>,
    services: BTreeSet<String>,
}

static INDEX: LazyLock<Descriptors> = LazyLock::new(Descriptors::read);

impl Descriptors {
    pub(super) fn get() -> &'static Descriptors {
        &INDEX
    }

    fn read() -> Descriptors {
        let set = FileDescriptorSet::decode(DESCRIPTORS).expect("a test keeps it fresh");
        let mut index = Descriptors {
            files: BTreeMap::new(),
            symbols: BTreeMap::new(),
            messages: BTreeSet::new(),
            services: BTreeSet::new(),
        };
        set.file.iter().for_each(|file| index.add(file));
        index
    }

    fn add(&mut self, file: &FileDescriptorProto) {
        assert!(file.dependency.is_empty(), "an answer holds one file");
        self.files.insert(file.name().into(), file.encode_to_vec().into());
        file.service.iter().for_each(|service| self.add_service(file, service));
        file.message_type.iter().for_each(|message| self.add_message(file, file.package(), message));
        file.enum_type.iter().for_each(|item| _ = self.add_symbol(file, file.package(), item.name()));
    }

    fn add_service(&mut self, file: &FileDescriptorProto, service: &ServiceDescriptorProto) {
        let name = self.add_symbol(file, file.package(), service.name());
        for method in &service.method {
            self.add_symbol(file, &name, method.name());
        }
        self.services.insert(name);
    }

    fn add_message(&mut self, file: &FileDescriptorProto, scope: &str, message: &DescriptorProto) {
        let name = self.add_symbol(file, scope, message.name());
        message.nested_type.iter().for_each(|nested| self.add_message(file, &name, nested));
        message.enum_type.iter().for_each(|item| _ = self.add_symbol(file, &name, item.name()));
        self.messages.insert(name);
    }

    fn add_symbol(&mut self, file: &FileDescriptorProto, scope: &str, name: &str) -> String {
        let name = format!("{scope}.{name}");
        self.symbols.insert(name.clone(), file.name().into());
        name
    }

    /// An encoded `FileDescriptorProto`.
    pub(super) fn file(&self, name: &str) -> Option<Bytes> {
        self.files.get(name).cloned()
    }

    /// The file in which a symbol stands.
    pub(super) fn file_of(&self, symbol: &str) -> Option<Bytes> {
        self.file(self.symbols.get(symbol)?)
    }

    pub(super) fn is_message(&self, name: &str) -> bool {
        self.messages.contains(name)
    }

    /// True when the service has such a method, whether or not this server carries it out.
    pub(super) fn has_method(&self, service: &str, method: &str) -> bool {
        self.services.contains(service) && self.symbols.contains_key(&format!("{service}.{method}"))
    }

    /// In the order of their names.
    pub(super) fn services(&self) -> impl Iterator<Item = &String> {
        self.services.iter()
    }
}
