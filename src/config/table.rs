//! The one table of options: every v6 path, every v5 key, the structs inside lists, and our own options.
//!
//! Reading, names of variables, flags, `docs/options.md` and the commands all come from here. The rows are facts
//! about Centrifugo v6.9.1 and v5.4.9, kept in tab-separated files beside this one; `tests/options_table.rs` compares
//! them with the complete machine-readable list. Which options are served is said in `served`.

use super::value::{Kind, Rules, Value, from_tree};
use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

/// How a configuration is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// Flat keys.
    V5,
    /// A tree.
    V6,
}

/// One thing that can be set, under its v6 name (or the v5 key, if v6 has none).
#[derive(Debug)]
pub struct Opt {
    /// `client.channel_limit`
    pub path: &'static str,
    /// Its kind in v6.
    pub kind: Kind,
    /// Word for its kind in the documentation.
    pub type_name: &'static str,
    /// What holds when nobody says anything.
    pub default: Value,
    /// v6 has no such option.
    pub only_v5: bool,
    /// The v5 keys that set it.
    pub v5: Vec<&'static str>,
}

/// One way to write options: a path of v6 or a key of v5.
#[derive(Debug)]
pub struct Name {
    /// The dialect that it belongs to. Our own options stand in both.
    pub dialect: Dialect,
    /// Dotted, lower case.
    pub text: &'static str,
    /// How a value is read under this name.
    pub kind: Kind,
    /// The default under this name; a few differ between the dialects.
    pub default: Value,
    /// `--text` is a flag of the server command.
    pub flag: bool,
    /// Its short form.
    pub short: Option<char>,
    /// Positions in `Table::opts`.
    pub targets: Vec<usize>,
    /// The struct of its elements, if it is a list of objects.
    pub element: Option<&'static str>,
}

/// A field of an object in a list.
#[derive(Debug)]
pub struct Field {
    /// Dotted, lower case.
    pub path: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its default.
    pub default: Value,
    /// The v6 field that a v5 field sets. Empty: none.
    pub target: &'static str,
}

/// All of it.
#[derive(Debug)]
pub struct Table {
    /// Everything that can be set.
    pub opts: Vec<Opt>,
    /// Every way to write it.
    pub names: Vec<Name>,
    by_name: HashMap<(Dialect, &'static str), usize>,
    by_env: HashMap<String, Vec<usize>>,
    sections: HashSet<(Dialect, &'static str)>,
    fields: HashMap<(Dialect, &'static str), Vec<Field>>,
}

const V6: &str = include_str!("options_v6.tsv");
const V5: &str = include_str!("options_v5.tsv");
const ITEMS: &str = include_str!("options_items.tsv");
const OWN: &str = "\
corecast.cores	int	0		
corecast.echo.enabled	bool	false		
corecast.http_api.max_body_size	int	67108864		
corecast.jwks.allow_private_targets	bool	false		
corecast.limits.commands_per_second	int	0		
corecast.limits.connection_rate_per_address	int	0		
corecast.limits.connections_per_address	int	0		
corecast.memory.budget	int	0		
corecast.tls.min_version	string	\"1.2\"		
";

/// Options of our own in sections that Centrifugo has, and one of Centrifugo PRO, in the shape of the three lists above. The
/// delay of a shutdown is v5's `shutdown_termination_delay`.
const OWN_V6: &str = "\
channel.without_namespace.corecast_slow_consumer	string	\"\"		
channel.without_namespace.corecast_write_delay	duration	\"0s\"		
client.write_delay	duration	\"0s\"		
shutdown.termination_delay	duration	\"0s\"		
shutdown.spread	duration	\"0s\"		
";
const OWN_V5: &str = "\
corecast_slow_consumer	string	\"\"		channel.without_namespace.corecast_slow_consumer
corecast_write_delay	duration	\"0s\"		channel.without_namespace.corecast_write_delay
client_write_delay	duration	\"0s\"		client.write_delay
shutdown_spread	duration	\"0s\"		shutdown.spread
";
const OWN_ITEMS: &str = "\
v6.channel_namespace	corecast_slow_consumer	string	\"\"	
v6.channel_namespace	corecast_write_delay	duration	\"0s\"	
v5.namespaces	corecast_slow_consumer	string	\"\"	corecast_slow_consumer
v5.namespaces	corecast_write_delay	duration	\"0s\"	corecast_write_delay
";

/// Flags of our own that are short for an option.
pub const SHORT_FLAGS: [(&str, &str); 3] =
    [("port", "http_server.port"), ("address", "http_server.address"), ("cores", "corecast.cores")];

/// The table, made once per process.
pub fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(Table::build)
}

impl Dialect {
    /// `v5` or `v6`.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::V5 => "v5",
            Dialect::V6 => "v6",
        }
    }

    /// The other one.
    pub fn other(self) -> Dialect {
        match self {
            Dialect::V5 => Dialect::V6,
            Dialect::V6 => Dialect::V5,
        }
    }
}

/// The part of a variable's name after its prefix: upper case, `.` becomes `_`.
pub fn env_suffix(path: &str) -> String {
    path.to_ascii_uppercase().replace('.', "_")
}

impl Table {
    fn build() -> Table {
        let mut table = Table {
            opts: Vec::new(),
            names: Vec::new(),
            by_name: HashMap::new(),
            by_env: HashMap::new(),
            sections: HashSet::new(),
            fields: HashMap::new(),
        };
        rows(V6).chain(rows(OWN)).chain(rows(OWN_V6)).for_each(|row| table.add_v6(&row));
        rows(V5).chain(rows(OWN_V5)).for_each(|row| table.add_v5(&row));
        for row in rows(OWN) {
            let position = table.by_name[&(Dialect::V6, row[0])];
            table.add_name(Dialect::V5, &row, vec![position], None);
        }
        rows(ITEMS).chain(rows(OWN_ITEMS)).for_each(|row| table.add_field(&row));
        table
    }

    fn add_v6(&mut self, row: &[&'static str]) {
        let (kind, default) = kind_and_default(row[1], row[2]);
        let opt = Opt { path: row[0], kind, type_name: row[1], default, only_v5: false, v5: Vec::new() };
        self.opts.push(opt);
        let element = (!row[4].is_empty()).then_some(row[4]);
        self.add_name(Dialect::V6, row, vec![self.opts.len() - 1], element);
    }

    fn add_v5(&mut self, row: &[&'static str]) {
        let paths = row[4].split(',').filter(|path| !path.is_empty());
        let mut targets: Vec<usize> = paths.map(|path| self.by_name[&(Dialect::V6, path)]).collect();
        if targets.is_empty() {
            let (kind, default) = kind_and_default(row[1], row[2]);
            self.opts.push(Opt { path: row[0], kind, type_name: row[1], default, only_v5: true, v5: Vec::new() });
            targets.push(self.opts.len() - 1);
        }
        for &target in &targets {
            self.opts[target].v5.push(row[0]);
        }
        let element = match row[0] {
            "namespaces" | "rpc_namespaces" | "proxies" | "consumers" => Some(row[0]),
            _ => targets.first().and_then(|&t| self.names[t].element),
        };
        self.add_name(Dialect::V5, row, targets, element);
    }

    fn add_name(&mut self, dialect: Dialect, row: &[&'static str], targets: Vec<usize>, element: Option<&'static str>) {
        let (kind, default) = kind_and_default(row[1], row[2]);
        let (text, flag) = (row[0], row[3]);
        let position = self.names.len();
        let short = flag.strip_prefix("flag-").and_then(|short| short.chars().next());
        self.names.push(Name { dialect, text, kind, default, flag: !flag.is_empty(), short, targets, element });
        self.by_name.insert((dialect, text), position);
        for (end, _) in text.match_indices('.') {
            self.sections.insert((dialect, &text[..end]));
        }
        self.by_env.entry(env_suffix(text)).or_default().push(position);
        if let Some(own) = text.strip_prefix("corecast.") {
            self.by_env.entry(env_suffix(own)).or_default().push(position);
        }
    }

    fn add_field(&mut self, row: &[&'static str]) {
        let (dialect, list) = match row[0].split_once('.') {
            Some(("v5", list)) => (Dialect::V5, list),
            Some((_, list)) => (Dialect::V6, list),
            None => return,
        };
        let (kind, default) = kind_and_default(row[2], row[3]);
        let target = if dialect == Dialect::V5 { row[4] } else { row[1] };
        self.fields.entry((dialect, list)).or_default().push(Field { path: row[1], kind, default, target });
    }

    /// The name `text` of a dialect.
    pub fn name(&self, dialect: Dialect, text: &str) -> Option<&Name> {
        self.by_name.get(&(dialect, text)).map(|&position| &self.names[position])
    }

    /// Is `text` the beginning of names of a dialect?
    pub fn is_section(&self, dialect: Dialect, text: &str) -> bool {
        self.sections.contains(&(dialect, text))
    }

    /// Names whose variable ends in `suffix`; v6 before v5.
    pub fn by_env(&self, suffix: &str) -> impl Iterator<Item = &Name> {
        self.by_env.get(suffix).into_iter().flatten().map(|&position| &self.names[position])
    }

    /// The name that the flag `--text` sets.
    pub fn by_flag(&self, text: &str) -> Option<&Name> {
        if let Some((_, path)) = SHORT_FLAGS.iter().find(|(flag, _)| *flag == text) {
            return self.name(Dialect::V6, path);
        }
        let of = |dialect| self.name(dialect, text).filter(|name| name.flag);
        of(Dialect::V6).or_else(|| of(Dialect::V5))
    }

    /// The option with this path.
    pub fn opt(&self, path: &str) -> Option<&Opt> {
        let name = self.name(Dialect::V6, path).or_else(|| self.name(Dialect::V5, path))?;
        name.targets.first().map(|&target| &self.opts[target])
    }

    /// Fields of the objects in a list; a struct that v5 shares with v6 is found under both.
    pub fn fields(&self, dialect: Dialect, list: &str) -> &[Field] {
        let of = |dialect| self.fields.iter().find(|((d, l), _)| (*d, *l) == (dialect, list)).map(|(_, f)| f);
        of(dialect).or_else(|| of(Dialect::V6)).map_or(&[], Vec::as_slice)
    }
}

fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

fn kind_and_default(type_name: &str, default: &str) -> (Kind, Value) {
    let kind = Kind::named(type_name).expect("the table names kinds that exist");
    let node = serde_json::from_str(default).expect("a default is JSON");
    let rules = Rules { dialect: Dialect::V6, in_list: false };
    (kind, from_tree(kind, rules, &node).expect("a default is of its kind"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_every_option_of_both_dialects() {
        let count = |dialect| table().names.iter().filter(|name| name.dialect == dialect).count();
        assert_eq!((count(Dialect::V6), count(Dialect::V5)), (825 + 14, 349 + 13));
        assert_eq!(table().fields(Dialect::V6, "channel_namespace").len(), 72 + 2);
        assert_eq!(table().fields(Dialect::V5, "namespaces").len(), 38 + 2);
    }

    #[test]
    fn every_list_of_objects_has_a_struct() {
        for name in table().names.iter().filter(|name| name.kind == Kind::Objects) {
            let element = name.element.expect(name.text);
            assert!(!table().fields(name.dialect, element).is_empty(), "{}", name.text);
        }
    }

    #[test]
    fn every_field_of_v5_leads_to_a_field_of_v6() {
        for (v5, v6) in [("namespaces", "channel_namespace"), ("rpc_namespaces", "rpc_namespace")] {
            for field in table().fields(Dialect::V5, v5).iter().filter(|field| !field.target.is_empty()) {
                assert!(table().fields(Dialect::V6, v6).iter().any(|f| f.path == field.target), "{}", field.path);
            }
        }
    }

    #[test]
    fn a_short_flag_means_its_option() {
        assert_eq!(table().by_flag("port").map(|name| name.text), Some("http_server.port"));
        assert_eq!(table().by_flag("client_insecure").map(|name| name.text), Some("client_insecure"));
        assert!(table().by_flag("client.channel_limit").is_none());
    }

    #[test]
    fn no_variable_means_two_options() {
        for name in &table().names {
            for other in table().by_env(&env_suffix(name.text)) {
                assert_eq!(name.targets, other.targets, "{} {}", name.text, other.text);
            }
        }
    }
}
