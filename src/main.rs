//! The command `hotplate`: serve a site while it is edited, check it, render from it, look into it.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
