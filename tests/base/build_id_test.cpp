#include "pipeline/base/build_id.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/digest.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

TEST(BuildId, IsReadFromThisVeryProgram) {
  const auto id = build_id_of("/proc/self/exe");
  ASSERT_TRUE(id);
  constexpr std::size_t digits_of_sha1 = 40;
  EXPECT_EQ(id->size(), digits_of_sha1);
}

TEST(BuildId, IsNothingForOtherAndCutOffFiles) {
  const TemporaryDirectory folder;
  const std::string program = read_file("/proc/self/exe");
  for (const std::size_t size : {0U, 10U, 64U, 300U}) {
    write_file_atomically(folder.path() / "cut", program.substr(0, size));
    EXPECT_FALSE(build_id_of(folder.path() / "cut")) << size;
  }
  write_file_atomically(folder.path() / "text", "#!/bin/sh\n");
  EXPECT_FALSE(build_id_of(folder.path() / "text"));
}

}  // namespace
}  // namespace mlpipe
