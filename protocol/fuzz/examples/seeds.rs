//! Writes the seeds where cargo-fuzz looks for them: `corpus/` beside this crate's manifest.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let seeds = backchat_protocol_fuzz::seeds::seeds();
    for seed in &seeds {
        let folder = corpus.join(seed.target);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(&seed.name), &seed.octets)?;
    }
    println!("{} seeds", seeds.len());
    Ok(())
}
