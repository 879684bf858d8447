#include <gtest/gtest.h>

#include <cstdlib>

#include "pipeline/base/file.hpp"
#include "pipeline/model/model.hpp"
#include "pipeline/model/network_presets.hpp"

namespace mlpipe {
namespace {

// The page's table comes from the definition that reads the file. MLPIPE_ACCEPT=1 writes it into the page.
TEST(ModelReference, ThePageHoldsEveryKey) {
  const std::filesystem::path page = MLPIPE_SOURCE_DIR "/docs/model-yaml.md";
  const std::string heading = "## Every key\n";
  const std::string text = read_file(page);
  const std::size_t begin = text.find(heading);
  ASSERT_NE(begin, std::string::npos);
  const std::string wanted = reference_text(model_schema());
  if (std::getenv("MLPIPE_ACCEPT") != nullptr) {
    write_file_atomically(page, text.substr(0, begin) + heading + wanted);
    return;
  }
  EXPECT_EQ(text.substr(begin + heading.size()), wanted)
      << "run model_test with MLPIPE_ACCEPT=1 to write the table anew";
}

TEST(ModelReference, ThePageOfPipelinesNamesEveryPreset) {
  const std::string text = read_file(MLPIPE_SOURCE_DIR "/docs/pipeline-yaml.md");
  for (const NetworkPreset& preset : network_presets()) {
    EXPECT_NE(text.find("| `" + std::string(preset.name) + "` |"), std::string::npos) << preset.name;
  }
}

}  // namespace
}  // namespace mlpipe
