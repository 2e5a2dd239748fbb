//! `foxhold up`: the single box.

use foxhold_runtime::{config, telemetry};

use crate::{
    cli::UpArgs,
    data_folder::{DataFolder, check_config_of},
    single_box::{self, settings::Told},
};

pub(crate) fn run(arguments: &UpArgs) -> anyhow::Result<()> {
    let folder = DataFolder::in_turn(|| DataFolder::open(&arguments.data))?;
    check_config_of(folder.root())?;
    let told = Told {
        file: folder.config(),
        env: config::process_env(),
        arguments,
    };
    let settings = told.settings()?;
    let site = settings.site()?;
    telemetry::init("up", &settings.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(single_box::serve(folder, settings, site, &told))
}
