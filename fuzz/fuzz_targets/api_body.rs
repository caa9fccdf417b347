//! Arbitrary bodies of the server API never panic, and what is read can be planned.
#![no_main]

use corecast::api::{METHODS, batch, plan_command};
use corecast::channel::Rules;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let rules = Rules::new(&Default::default(), &Default::default()).expect("defaults");
    for method in METHODS {
        if let Ok(command) = (method.decode)(body) {
            drop((method.plan)(command, &rules));
        }
    }
    if let Ok(batch) = batch::decode(body) {
        batch.commands.into_iter().flatten().for_each(|command| drop(plan_command(command, &rules)));
    }
});
