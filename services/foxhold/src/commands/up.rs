//! `foxhold up`: the single box.

use foxhold_runtime::{config, telemetry};

use crate::{
    cli::UpArgs,
    data_folder::{DataFolder, check_config_of},
    single_box::{self, Listeners, settings::Told},
};

pub(crate) fn run(arguments: &UpArgs) -> anyhow::Result<()> {
    let open = || DataFolder::in_turn(|| DataFolder::open(&arguments.data));
    // A first start that is refused leaves nothing behind. What there is already tells first who works on it, and its format.
    let there = DataFolder::is_at(&arguments.data)?.then(open).transpose()?;
    let root = there.as_ref().map_or(arguments.data.as_path(), DataFolder::root);
    check_config_of(root)?;
    let told = Told {
        file: DataFolder::config_of(root),
        env: config::process_env(),
        arguments,
    };
    let settings = told.at_start()?;
    let site = settings.site()?;
    let levels = telemetry::init("up", &settings.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let entered = runtime.enter();
    let listeners = Listeners::bind(&settings)?;
    let folder = there.map_or_else(open, Ok)?;
    drop(entered);
    runtime.block_on(single_box::serve(
        folder, listeners, settings, site, &told, &levels,
    ))
}
