//! Writes the CustomResourceDefinitions beside the sources that they are made of, and into the chart. Run as
//! `cargo generate`.

use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (file, yaml) in lotse_crds::kubernetes::definitions() {
        for folder in ["", "../charts/lotse/files/crds"] {
            let path = crate_folder.join(folder).join(file);
            std::fs::write(&path, &yaml)?;
            eprintln!("wrote {} ({} bytes)", path.display(), yaml.len());
        }
    }
    Ok(())
}
