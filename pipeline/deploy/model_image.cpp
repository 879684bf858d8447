#include "pipeline/deploy/model_image.hpp"

#include <fmt/format.h>

#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

constexpr const char* model_label = "mlpipe.model";
constexpr const char* server_label = "mlpipe.server";

// A container that is never started, and goes when its layer was taken.
class Unstarted {
 public:
  Unstarted(const Engine& engine, const std::string& image) : engine_(engine) {
    // An image that names no program needs one to become a container; nothing runs it.
    const Captured made = engine_.run({"create", "--entrypoint", "none", image});
    if (!made.ending.succeeded()) {
      throw engine_.failure("putting the model into the server image", made);
    }
    id_ = trim(made.output);
  }
  Unstarted(const Unstarted&) = delete;
  Unstarted& operator=(const Unstarted&) = delete;
  ~Unstarted() { engine_.run({"rm", "--force", id_}); }

  const std::string& id() const { return id_; }

 private:
  const Engine& engine_;
  std::string id_;
};

}  // namespace

std::string model_image(const Engine& engine, const std::string& server_image, const ServedRelease& release,
                        const std::string& name) {
  const std::string model = fmt::format("{}=sha256:{}", model_label, release.model.hex());
  const std::string server = fmt::format("{}={}", server_label, server_image);
  const std::string known = engine.ask(
      {"images", "--quiet", "--no-trunc", "--filter", "label=" + model, "--filter", "label=" + server});
  if (!known.empty()) {
    return split(known, '\n').front();
  }
  const Unstarted container(engine, server_image);
  engine.ask({"cp", release.directory.string() + "/.", container.id() + ":/model"});
  return engine.ask({"commit", "--change", "LABEL " + model, "--change", "LABEL " + server, "--change",
                     R"(ENTRYPOINT ["mlpipe-serve", "--model", "/model", "--host", "0.0.0.0"])",
                     container.id(), fmt::format("mlpipe-model/{}:{}", name, release.version)});
}

}  // namespace mlpipe
