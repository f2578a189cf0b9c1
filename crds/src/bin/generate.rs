//! Writes the CustomResourceDefinitions beside the sources that they are made of. Run as `cargo generate`.

use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (file, yaml) in lotse_crds::kubernetes::definitions() {
        let path = folder.join(file);
        std::fs::write(&path, &yaml)?;
        eprintln!("wrote {} ({} bytes)", path.display(), yaml.len());
    }
    Ok(())
}
