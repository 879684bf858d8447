#include "pipeline/exec/tool_identity.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class ToolIdentity : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) const {
    write_file_atomically(folder_.path() / name, text, 0755);
  }
  std::optional<std::string> identity(const std::string& name) {
    FileHashes hashes(nullptr);
    return identity_of_tool({name, folder_.path().string()}, hashes);
  }
  TemporaryDirectory folder_;
};

TEST_F(ToolIdentity, IsThatOfTheFileAtTheEndOfTheLinks) {
  write("tool-1", "one");
  write("tool-2", "two");
  fs::create_symlink("tool-1", folder_.path() / "middle");
  fs::create_symlink("middle", folder_.path() / "tool");
  EXPECT_EQ(identity("tool"), digest_of("one").hex());
  fs::remove(folder_.path() / "middle");
  fs::create_symlink("tool-2", folder_.path() / "middle");
  EXPECT_EQ(identity("tool"), digest_of("two").hex());
  EXPECT_EQ(identity("missing"), std::nullopt);
}

TEST_F(ToolIdentity, OfAScriptHoldsItsInterpreter) {
  write("interpreter", "one");
  write("script", "#!/usr/bin/env interpreter\nwork\n");
  const auto before = identity("script");
  ASSERT_TRUE(before);
  write("interpreter", "two");
  EXPECT_NE(identity("script"), before);
  write("interpreter", "one");
  EXPECT_EQ(identity("script"), before);
  write("script", "#!/usr/bin/env interpreter\nother work\n");
  EXPECT_NE(identity("script"), before);
}

}  // namespace
}  // namespace mlpipe
