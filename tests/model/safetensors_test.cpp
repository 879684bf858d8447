#include "pipeline/model/safetensors.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <optional>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

std::string file_of(const std::string& header, std::size_t data_bytes,
                    std::optional<std::uint64_t> length = {}) {
  const std::uint64_t said = length.value_or(header.size());
  std::string bytes(sizeof said, '\0');
  std::memcpy(bytes.data(), &said, sizeof said);
  return bytes + header + std::string(data_bytes, '\0');
}

std::string fault_of(const std::string& bytes) {
  try {
    parse_safetensors(bytes, "w.safetensors");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string tensor(const std::string& name, const std::string& shape, std::size_t begin, std::size_t end,
                   const std::string& dtype = "F32") {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

TEST(Safetensors, ReadsBackWhatItWrote) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "w.safetensors";
  write_safetensors(path,
                    {{"0.weight", {2, 2}, {1, 2, 3, 4}}, {"0.bias", {2}, {-1, 0.5}}, {"empty", {0}, {}}});
  const std::string first = read_file(path);
  const auto tensors = read_safetensors(path);
  ASSERT_EQ(tensors.size(), 3U);
  EXPECT_EQ(tensors[0].name, "0.weight");
  EXPECT_EQ(tensors[0].shape, (Shape{2, 2}));
  EXPECT_EQ(tensors[1].values, (std::vector<float>{-1, 0.5}));
  write_safetensors(path, tensors);
  EXPECT_EQ(read_file(path), first);
  std::uint64_t header = 0;
  std::memcpy(&header, first.data(), sizeof header);
  EXPECT_EQ(header % 8, 0U);
}

TEST(Safetensors, AcceptsMetadata) {
  EXPECT_EQ(fault_of(file_of("{\"__metadata__\":{\"format\":\"pt\"}," + tensor("a", "[1]", 0, 4) + "}", 4)),
            "");
}

TEST(Safetensors, RefusesHeadersThatLie) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "less than the length of a header"},
      {"1234", "less than the length of a header"},
      {file_of("{}", 0, 1U << 30U), "its header says it is"},
      {file_of("{}", 0, ~std::uint64_t{0}), "its header says it is"},
      {file_of("not json", 0), "no JSON"},
      {file_of("[]", 0), "not a JSON object"},
      {file_of("{\"a\":1}", 0), "has no dtype"},
      {file_of("{" + tensor("a", "[1]", 0, 2, "F16") + "}", 2), "only F32 is read"},
      {file_of("{" + tensor("a", "[2]", 0, 4) + "}", 4), "has the shape [2], and 4 bytes"},
      {file_of("{" + tensor("a", "[1]", 0, 8) + "}", 4), "there are 4 bytes"},
      {file_of("{" + tensor("a", "[1]", 4, 0) + "}", 4), "there are 4 bytes"},
      {file_of("{" + tensor("a", "[1]", 0, 4) + "," + tensor("b", "[1]", 0, 4) + "}", 4), "ends at 4"},
      {file_of("{" + tensor("a", "[1]", 0, 4) + "," + tensor("b", "[1]", 8, 12) + "}", 12), "ends at 4"},
      {file_of("{" + tensor("a", "[1]", 0, 4) + "}", 12), "belong to no tensor"},
      {file_of("{" + tensor("a", "[1]", 0, 4) + "," + tensor("a", "[1]", 4, 8) + "}", 8), "twice"},
      {file_of("{" + tensor("a", "[-1]", 0, 4) + "}", 4), "not a whole number"},
      {file_of("{" + tensor("a", "[4611686018427387904,4]", 0, 4) + "}", 4), "more than the file holds"},
      {file_of("{" + tensor("a", "\"x\"", 0, 4) + "}", 4), "not a list"},
      {file_of("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4), "not two numbers"},
      {file_of(std::string(100'000, '['), 0), "deeper than"},
  };
  for (const auto& [bytes, expected] : cases) {
    EXPECT_NE(fault_of(bytes).find(expected), std::string::npos) << expected << "\ngot: " << fault_of(bytes);
    EXPECT_TRUE(fault_of(bytes).starts_with("w.safetensors: ")) << fault_of(bytes);
  }
}

TEST(Safetensors, RefusesEveryCutOffFile) {
  const std::string whole = file_of("{" + tensor("a", "[2]", 0, 8) + "}", 8);
  ASSERT_EQ(fault_of(whole), "");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(fault_of(whole.substr(0, size)), "") << size;
  }
}

TEST(Safetensors, DoesNotWriteTensorsThatDoNotFitTheirShape) {
  const TemporaryDirectory folder;
  EXPECT_THROW(write_safetensors(folder.path() / "w", {{"a", {3}, {1, 2}}}), Error);
  EXPECT_THROW(write_safetensors(folder.path() / "w", {{"a", {1}, {1}}, {"a", {1}, {1}}}), Error);
}

}  // namespace
}  // namespace mlpipe
