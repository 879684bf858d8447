// What a faulty pipeline.yaml is answered with: cases/NAME/pipeline.yaml gives exactly
// cases/NAME/expected.txt on standard error. MLPIPE_ACCEPT=1 writes what was got into the files instead; look
// at the difference.
#include <algorithm>
#include <cstdlib>

#include "tests/functional/project.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(MLPIPE_CASES)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// What was written, without the name of the folder, which is another one each time.
std::string without_folder(std::string text, const Project& project) {
  const std::string folder = project.folder().string();
  for (std::size_t at = text.find(folder); at != std::string::npos; at = text.find(folder)) {
    text.replace(at, folder.size(), "PROJECT");
  }
  return text;
}

// Nothing ran and nothing changed.
void expect_untouched(const Project& project, const std::vector<std::string>& listing) {
  EXPECT_EQ(project.listing(), listing);
  EXPECT_FALSE(fs::exists(project.folder() / ".mlpipe"));
}

class BadInput : public testing::TestWithParam<std::string> {};

TEST_P(BadInput, IsExplained) {
  const fs::path folder = fs::path(MLPIPE_CASES) / GetParam();
  Project project;
  project.write("data.csv", "a,b,label\n1,2,x\n");
  fs::copy_file(folder / "pipeline.yaml", project.folder() / "pipeline.yaml");
  const std::vector<std::string> listing = project.listing();
  const Captured run = project.mlpipe({"run"});
  EXPECT_TRUE(exits(run, 2));
  EXPECT_EQ(run.output, "");
  expect_untouched(project, listing);
  const std::string got = without_folder(run.error, project);
  if (std::getenv("MLPIPE_ACCEPT") != nullptr) {
    write_file_atomically(folder / "expected.txt", got);
  }
  EXPECT_EQ(got, read_file(folder / "expected.txt"));

  for (const char* command : {"plan", "lint"}) {
    const Captured other = project.mlpipe({command});
    EXPECT_TRUE(exits(other, 2)) << command;
    EXPECT_EQ(other.error, run.error) << command;
  }
  const Captured lint = project.mlpipe({"lint", "--json"});
  EXPECT_TRUE(exits(lint, 2));
  EXPECT_GE(Json::parse(lint.output).at("faults").size(), 1U);
  expect_untouched(project, listing);
}

INSTANTIATE_TEST_SUITE_P(Cases, BadInput, testing::ValuesIn(case_names()),
                         [](const auto& one) { return one.param; });

TEST(BadFile, Missing) {
  Project project;
  for (const auto& [arguments, name] : std::vector<std::pair<Arguments, std::string>>{
           {{"run"}, "pipeline.yaml"},
           {{"run", "other.yaml"}, "other.yaml"},
           {{"plan", "nowhere/pipeline.yaml"}, "nowhere/pipeline.yaml"}}) {
    const Captured captured = project.mlpipe(arguments);
    EXPECT_TRUE(exits(captured, 2));
    EXPECT_TRUE(captured.error.starts_with("error: " + name + ": there is no such file\n")) << captured.error;
  }
  expect_untouched(project, {});
}

TEST(BadFile, AFolder) {
  Project project;
  fs::create_directory(project.folder() / "pipeline.yaml");
  const Captured captured = project.mlpipe({"run"});
  EXPECT_TRUE(exits(captured, 2));
  EXPECT_TRUE(has(captured.error, "pipeline.yaml: it is a folder, not a file"));
  expect_untouched(project, {"pipeline.yaml"});
}

TEST(BadFile, NeitherAFileNorAFolder) {
  Project project;
  const Captured captured = project.mlpipe({"run", "/dev/null"});
  EXPECT_TRUE(exits(captured, 2));
  expect_untouched(project, {});
}

TEST(BadFile, MegabytesOfBrackets) {
  for (const std::size_t megabytes : {1U, 10U}) {
    for (const char bracket : {'[', '{', ']'}) {
      Project project;
      project.write("pipeline.yaml", std::string(megabytes << 20U, bracket));
      const Captured captured = project.mlpipe({"run"});
      EXPECT_TRUE(exits(captured, 2));
      EXPECT_TRUE(has(captured.error, "pipeline.yaml"));
      EXPECT_LT(captured.error.size(), 1000U);
      expect_untouched(project, {"pipeline.yaml"});
    }
  }
}

TEST(BadFile, DeepBrackets) {
  Project project;
  project.write("pipeline.yaml", "name: deep\nsteps: " + std::string(100'000, '['));
  const Captured captured = project.mlpipe({"run"});
  EXPECT_TRUE(exits(captured, 2));
  EXPECT_TRUE(has(captured.error, "pipeline.yaml:2:"));
  EXPECT_LT(captured.error.size(), 2000U);
}

TEST(BadFile, ALongLineIsNotShownWhole) {
  Project project;
  project.write("pipeline.yaml", "name: " + std::string(900'000, 'x') + "\nsteps: {}\n");
  const Captured captured = project.mlpipe({"run"});
  EXPECT_TRUE(exits(captured, 2));
  EXPECT_LT(captured.error.size(), 5000U);
}

TEST(BadFile, AFaultAfterASuccessfulRunChangesNothing) {
  Project project;
  project.pipeline("name: fine\nsteps: { a: { run: echo a >> @SIDE@/runs } }\n");
  ASSERT_TRUE(exits(project.mlpipe({"run"}), 0));
  project.pipeline("name: fine\nsteps: { a: { run: echo a >> @SIDE@/runs, outz: [x] } }\n");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 2));
  EXPECT_EQ(project.runs("a"), 1U);
  project.pipeline("name: fine\nsteps: { a: { run: echo a >> @SIDE@/runs } }\n");
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "nothing changed"));
}

}  // namespace
}  // namespace mlpipe
