//! `completions` and `man`, made from the command line's own definition.

use crate::{
    args::{Cli, Completions},
    failure::{Failure, exit},
};
use clap::CommandFactory;
use std::io::stdout;

pub fn completions(args: &Completions) -> u8 {
    clap_complete::generate(args.shell, &mut Cli::command(), "kaizen", &mut stdout());
    exit::DONE
}

/// One page: the command, then each subcommand.
pub fn man() -> Result<u8, Failure> {
    let failed = |e: std::io::Error| Failure::usage("io", e.to_string());
    let mut command = Cli::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut stdout()).map_err(failed)?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let name = format!("kaizen {}", sub.get_name());
        let page = clap_mangen::Man::new(sub.clone());
        anstream::println!(".SH \"{}\"", name.to_uppercase());
        page.render_description_section(&mut stdout()).map_err(failed)?;
        page.render_options_section(&mut stdout()).map_err(failed)?;
    }
    Ok(exit::DONE)
}
