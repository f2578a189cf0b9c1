//! Manifests: any text is read, or told what is wrong with it.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use lotse_crds::read::read;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let files = BTreeMap::from([("a.yaml".to_owned(), text.to_owned())]);
    if let Err(errors) = read(&files, "lotse-system") {
        assert!(!errors.is_empty() && errors.iter().all(|error| !error.to_string().is_empty()));
    }
});
