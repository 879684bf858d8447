#include "server/protocol/plain_numbers.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <limits>
#include <random>
#include <string>

#include "server/protocol/input.hpp"

namespace mlpipe {
namespace {

// As the parser reads it.
std::vector<float> parsed(const std::string& body) {
  const JsonBody document{std::string_view(body)};
  return read_numbers(*JsonBody::fields(document.object(), "", {"data"})[0], "data").values;
}

TEST(PlainNumbers, AreWhatTheParserReads) {
  std::mt19937_64 random(1);
  const auto up_to = [&random](std::uint64_t most) { return random() % (most + 1); };
  std::string body = " {\"data\" : [";
  constexpr std::size_t count = 20'000;
  for (std::size_t i = 0; i < count; ++i) {
    std::string decimals = up_to(2) == 0 ? "" : std::to_string(random()).substr(0, 1 + up_to(19));
    const std::uint64_t most =
        decimals.empty() ? 999'999'999'999'999 : std::numeric_limits<std::uint64_t>::max();
    const std::string whole = std::to_string(up_to(3) == 0 ? 0 : (random() >> up_to(63)) % most);
    decimals = decimals.empty() ? "" : "." + std::string(up_to(4), '0') + decimals;
    const bool is_zero = (whole + decimals).find_first_of("123456789") == std::string::npos;
    body += fmt::format("{}{}{}{}", i > 0 ? "," : "", up_to(4) == 0 ? "\n\t " : "",
                        !is_zero && up_to(1) == 0 ? "-" : "", whole + decimals);
  }
  body += " ] }\r\n";
  const auto numbers = read_plain_numbers(body, "data", count);
  ASSERT_TRUE(numbers.has_value());
  const std::vector<float> expected = parsed(body);
  ASSERT_EQ(expected.size(), count);
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>((*numbers)[i]), std::bit_cast<std::uint32_t>(expected[i])) << i;
  }
}

TEST(PlainNumbers, AreNothingElse) {
  EXPECT_EQ(read_plain_numbers(R"({"data":[1,2.5]})", "data", 2), (std::vector<float>{1, 2.5}));
  for (const char* body : {"",
                           "{",
                           R"({"data")",
                           R"({"data":)",
                           R"({"data":[)",
                           R"({"data":[1)",
                           R"({"data":[1,)",
                           R"({"data":[1,2)",
                           R"({"data":[1,2])",
                           R"({"data":[1,2]}})",
                           R"({"data":[1,2]}x)",
                           R"({"data":[1]})",
                           R"({"data":[1,2,3]})",
                           R"({"data":[1,2,]})",
                           R"({"data":[,1]})",
                           R"({"data":[1 2]})",
                           R"({"date":[1,2]})",
                           R"({"dat":[1,2]})",
                           R"({"data":[1,2],"more":1})",
                           R"({"data":[[1,2]]})",
                           R"({"data":[1,"2"]})",
                           R"({"data":[1,null]})",
                           R"({"data":[1,02]})",
                           R"({"data":[1,.5]})",
                           R"({"data":[1,5.]})",
                           R"({"data":[1,+5]})",
                           R"({"data":[1,-]})",
                           R"({"data":[1,--1]})",
                           R"({"data":[1,1e1]})",
                           R"({"data":[1,-0]})",
                           R"({"data":[1,1.2.3]})",
                           R"({"data":[1,1_0]})",
                           R"([1,2])",
                           R"({data:[1,2]})"}) {
    EXPECT_FALSE(read_plain_numbers(body, "data", 2).has_value()) << body;
  }
  for (const std::string& large :
       {std::string(16, '9'), std::string(40, '9') + ".5", std::string(400, '9') + ".5"}) {
    EXPECT_FALSE(read_plain_numbers(R"({"data":[1,)" + large + "]}", "data", 2).has_value()) << large;
  }
  EXPECT_FALSE(read_plain_numbers(R"({"data":[]})", "data", 1'000'000'000'000).has_value());
}

}  // namespace
}  // namespace mlpipe
