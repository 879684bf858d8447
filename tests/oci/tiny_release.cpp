#include "tests/oci/tiny_release.hpp"

#include <gtest/gtest.h>

#include "tests/functional/tiny_model.hpp"

namespace mlpipe {

void publish_tiny(Project& project, const std::string& label) {
  std::filesystem::remove_all(project.folder() / "made");
  write_tiny_model(project.folder() / "made", label);
  project.pipeline(R"(
name: colors
steps:
  make: { run: cp -r made model, deps: [made], outs: [model] }
model: { name: tiny, from: "${{ steps.make.outs.model }}" }
)");
  ASSERT_TRUE(exits(project.mlpipe({"run"}), 0));
}

}  // namespace mlpipe
