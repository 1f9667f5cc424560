//! The command `hotplate`: serve a site while it is edited, check it, render from it, look into it.

fn main() -> std::process::ExitCode {
    hotplate::cli::main()
}
