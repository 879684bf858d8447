#include "tests/cluster/packed_image.hpp"

#include "pipeline/oci/image.hpp"
#include "pipeline/oci/reference.hpp"
#include "pipeline/oci/registry_client.hpp"
#include "tests/containers/packed_root.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

const fs::path own_programs = MLPIPE_PROGRAMS;

Descriptor push_layer(RegistryClient& to, const std::string& repository, const fs::path& root) {
  fs::path tar = root;
  tar += ".tar";
  pack_tar(root, tar);
  const Digest digest = digest_of_file(tar);
  to.put_blob(repository, digest, tar);
  return {media_type::oci_layer, digest, fs::file_size(tar), {}};
}

std::string config_of(const PackedImage& image, const std::vector<Descriptor>& layers) {
  Json variables = {"PATH=/usr/local/bin:/usr/bin:/bin"};
  for (const auto& [name, value] : image.environment) {
    variables.push_back(name + "=" + value);
  }
  Json diff_ids = Json::array();
  for (const Descriptor& layer : layers) {
    diff_ids.push_back(digest_text(layer.digest));  // nothing is compressed
  }
  Json config = {{"User", "65532:65532"}, {"Env", variables}};
  if (!image.entrypoint.empty()) {
    config["Entrypoint"] = image.entrypoint;
  }
  return Json{{"architecture", own_architecture()},
              {"os", "linux"},
              {"config", config},
              {"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids}}}}
      .dump();
}

}  // namespace

PackedImage packed_agent() {
  return {{own_programs / "mlpipe-agent", own_programs / "mlpipe-registry"}, {}, {}};
}

PackedImage packed_jobs() {
  return {jobs_image_programs(), {}, {}};
}

PackedImage packed_server() {
  return {{own_programs / "mlpipe-serve", own_programs / "mlpipe-serve-health"},
          {"/usr/local/bin/mlpipe-serve"},
          {{"MLPIPE_SERVE_OPTION_MODEL", "/model"},
           {"MLPIPE_SERVE_OPTION_HOST", "0.0.0.0"},
           {"MLPIPE_SERVE_OPTION_PORT", "8080"},
           {"MLPIPE_SERVE_OPTION_ADMIN_HOST", "0.0.0.0"},
           {"MLPIPE_SERVE_OPTION_ADMIN_PORT", "8081"},
           {"MLPIPE_SERVE_OPTION_GRPC_HOST", "0.0.0.0"}}};
}

std::string push_packed(const TestRegistry& registry, const std::string& repository,
                        const PackedImage& image) {
  const TemporaryDirectory folder;
  const fs::path root = folder.path() / "root";
  const fs::path own = folder.path() / "own";
  pack_root(root, image.programs);
  RegistryClient to(registry.for_nodes(), own_environment());
  std::vector<Descriptor> layers;
  if (fs::exists(root / own_programs.relative_path())) {
    fs::create_directories(own / own_programs.relative_path().parent_path());
    fs::rename(root / own_programs.relative_path(), own / own_programs.relative_path());
  }
  layers.push_back(push_layer(to, repository, root));
  if (fs::exists(own)) {
    layers.push_back(push_layer(to, repository, own));
  }
  const std::string config = config_of(image, layers);
  to.put_small_blob(repository, config);
  const std::string manifest =
      to_text({"", {media_type::oci_config, digest_of(config), config.size(), {}}, layers, {}});
  to.put_manifest(repository, digest_text(digest_of(manifest)), manifest);
  return registry.for_nodes() + "/" + repository + "@" + digest_text(digest_of(manifest));
}

}  // namespace mlpipe
