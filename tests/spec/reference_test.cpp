#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "pipeline/base/file.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {
namespace {

// The page's table is what `mlpipe reference` prints. MLPIPE_ACCEPT=1 writes it into the page.
TEST(Reference, ThePageHoldsEveryKey) {
  const std::filesystem::path page = MLPIPE_SOURCE_DIR "/docs/pipeline-yaml.md";
  const std::string heading = "## Every key\n";
  const std::string text = read_file(page);
  const std::size_t begin = text.find(heading);
  ASSERT_NE(begin, std::string::npos);
  const std::string wanted = reference_text(pipeline_schema());
  if (std::getenv("MLPIPE_ACCEPT") != nullptr) {
    write_file_atomically(page, text.substr(0, begin) + heading + wanted);
    return;
  }
  EXPECT_EQ(text.substr(begin + heading.size()), wanted)
      << "run spec_test with MLPIPE_ACCEPT=1 to write the table anew";
}

TEST(Reference, TheJsonSchemaKnowsAxesBesideTheRulesOfAMatrix) {
  const auto schema = nlohmann::json::parse(json_schema_text(pipeline_schema(), "pipeline.yaml"));
  const auto& step = schema.at("properties").at("steps").at("additionalProperties");
  const auto& matrix = step.at("properties").at("matrix");
  EXPECT_EQ(matrix.at("additionalProperties").at("anyOf").at(0).at("type"), "array");
  EXPECT_TRUE(matrix.at("properties").contains("fail-fast"));
  EXPECT_EQ(step.at("additionalProperties"), false);
  for (const char* key : {"if", "finally", "retry", "resources", "tools"}) {
    EXPECT_TRUE(step.at("properties").contains(key)) << key;
  }
}

}  // namespace
}  // namespace mlpipe
