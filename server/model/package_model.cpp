#include "server/model/package_model.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <utility>

#include "pipeline/base/error.hpp"
#include "pipeline/base/process.hpp"
#include "server/model/forward_model.hpp"

#if __has_include(<torch/csrc/inductor/aoti_package/model_package_loader.h>)
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#define MLPIPE_RUNS_PACKAGES
#endif

namespace mlpipe {

#ifdef MLPIPE_RUNS_PACKAGES

namespace {

using Package = torch::inductor::AOTIModelPackageLoader;

// Packages ask the loader for "libtorch.so", which is satisfied once a library of that name is there.
void bring_library_name() {
  const auto library =
      path_of_own_executable().parent_path().parent_path() / "lib" / "mlpipe" / "package" / "libtorch.so";
  ::dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL);  // where it is missing, loading the package says so
}

std::shared_ptr<Package> open_package(const std::string& path) {
  bring_library_name();
  try {
    return std::make_shared<Package>(path);
  } catch (const std::exception& error) {
    throw Error(fmt::format("{}: libtorch cannot load it: {}", path, line_of(error)),
                "compile it on a machine of this kind, with the PyTorch that mlpipe-serve has");
  }
}

at::Tensor forward(Package& package, at::Tensor batch, const std::string& path) {
  try {
    const std::vector<at::Tensor> outputs = package.run({std::move(batch)});
    if (outputs.size() == 1) {
      return outputs.front();
    }
  } catch (const std::exception& error) {
    throw Error(
        fmt::format("{}: {}", path, line_of(error)),
        "export it with a batch of any size: dynamic_shapes=({0: torch.export.Dim(\"batch\", min=1)},)");
  }
  throw Error(fmt::format("{}: it gives something else than one tensor", path));
}

}  // namespace

std::unique_ptr<const Servable> load_package_model(const std::filesystem::path& directory) {
  NetworkFile file = read_network_file(directory);
  const std::string path = file.path.string();
  // Calls wait for each other inside: it has one runner, and each takes all threads.
  return make_forward_model(std::move(file.model), file.digest,
                            [package = open_package(path), path](at::Tensor batch) {
                              return forward(*package, std::move(batch), path);
                            });
}

#else

std::unique_ptr<const Servable> load_package_model(const std::filesystem::path& directory) {
  throw Error(fmt::format("{}: the libtorch of this mlpipe-serve runs no packages of AOTInductor",
                          (directory / read_model(directory).weights_name).string()),
              "write TorchScript: torch.jit.script(module.eval()).save(\"model.pt\")");
}

#endif

}  // namespace mlpipe
