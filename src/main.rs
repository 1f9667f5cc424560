//! The command `hotplate`: serves a site, checks it, renders its templates and inspects a running instance.

fn main() -> std::process::ExitCode {
    hotplate::cli::main()
}
