//! Arbitrary bodies of the server API never panic, and what is read can be planned.
#![no_main]

use corecast::api::{METHODS, batch};
use corecast::channel::Rules;
use corecast::transport::api::batch_work;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let rules = Rules::new(&Default::default(), &Default::default()).expect("defaults");
    for method in METHODS {
        drop((method.plan_body)(body, &rules));
        drop((method.plan_message)(body, &rules));
    }
    if let Ok(batch) = batch::decode(body) {
        drop(batch_work(batch, &rules));
    }
});
