//! What macOS wants of a module that finds Python's symbols in the process that loads it.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
