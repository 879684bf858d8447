// What can be tested of the pages without a browser: that a JavaScript engine takes their scripts.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"
#include "server/page/page.hpp"

namespace mlpipe {
namespace {

std::string script_of(std::string_view page) {
  constexpr std::string_view opening = "<script>\n";
  const std::size_t start = page.find(opening);
  const std::size_t end = page.find("</script>", start);
  if (start == std::string_view::npos || end == std::string_view::npos) {
    return "";
  }
  return std::string(page.substr(start + opening.size(), end - start - opening.size()));
}

class PageScript : public testing::TestWithParam<std::string_view (*)()> {};

TEST_P(PageScript, Parses) {
  try {
    find_program("node", own_environment());
  } catch (const Error&) {
    GTEST_SKIP() << "there is no node";
  }
  const std::string script = script_of(GetParam()());
  ASSERT_FALSE(script.empty());
  const TemporaryDirectory folder;
  const auto file = folder.path() / "page.js";
  std::ofstream(file) << script;
  Command command;
  command.arguments = {"node", "--check", file};
  const Captured result = run_and_capture(command);
  EXPECT_EQ(result.ending.exit_code, 0) << result.error;
}

INSTANTIATE_TEST_SUITE_P(Pages, PageScript, testing::Values(&page_html, &docs_html));

}  // namespace
}  // namespace mlpipe
