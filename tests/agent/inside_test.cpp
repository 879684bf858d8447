// What the agent in a container works with.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

#include "pipeline/agent/memory_kills.hpp"
#include "pipeline/agent/secret_variables.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"

namespace mlpipe {
namespace {

using Variables = std::map<std::string, std::string>;

TEST(Variables, AreReadAndNothingThatFollows) {
  for (const Variables& variables :
       {Variables{}, Variables{{"A", ""}}, Variables{{"A", "=b\n"}, {"C", "d"}}}) {
    const FileDescriptor stream = memory_file(join_variables(variables) + '\0' + "cancel\n");
    EXPECT_EQ(read_variables(stream.get()), variables);
    std::array<char, 16> rest{};
    EXPECT_EQ(::read(stream.get(), rest.data(), rest.size()), 7);
  }
}

TEST(Variables, AreWholeOrAnError) {
  for (const std::string text : {"", "A=b", "A"}) {
    EXPECT_THROW(read_variables(memory_file(text).get()), Error) << text;
  }
  EXPECT_THROW(read_variables(memory_file(join_variables({{"A", "b"}})).get()), Error);
}

TEST(MemoryKills, AreReadFromBothVersionsOfControlGroups) {
  EXPECT_EQ(memory_kills_in("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n"), 2U);
  EXPECT_EQ(memory_kills_in("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"), 1U);
  EXPECT_EQ(memory_kills_in("oom_kill_disable 0\nunder_oom 0\n"), std::nullopt);  // before Linux 4.13
  EXPECT_EQ(memory_kills_in("oom_kill many\n"), std::nullopt);
  EXPECT_EQ(memory_kills_in(""), std::nullopt);
}

}  // namespace
}  // namespace mlpipe
