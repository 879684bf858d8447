#include <gtest/gtest.h>

#include <cmath>

#include "tests/trainer/data_fixture.hpp"
#include "tests/trainer/files.hpp"

namespace mlpipe {
namespace {

using namespace mlpipe::testing;

class Arrays : public DataFixture {};

TEST_F(Arrays, ReadsIdx) {
  const IdxSource source = {write("images", idx_bytes(0x08, {2, 1, 3}, std::string("\0\1\xFF\3\4\5", 6))),
                            write("labels", idx_bytes(0x08, {2}, "\7\2")),
                            {},
                            {}};
  const RawData data = read_idx(source, {});
  EXPECT_EQ(data.shape, (Shape{1, 1, 3}));
  EXPECT_EQ(values_of(data), (Values{0, 1, 255, 3, 4, 5}));
  EXPECT_EQ(labels_of(data.all, data.labels), (Labels{"7", "2"}));
}

TEST_F(Arrays, ReadsBigEndianIdxNumbers) {
  const IdxSource source = {
      write("values", idx_bytes(0x0D, {1, 2}, std::string("\x3F\x80\0\0\xC0\0\0\0", 8))),
      write("labels", idx_bytes(0x0C, {1}, std::string("\xFF\xFF\xFF\xFE", 4))),
      {},
      {}};
  const RawData data = read_idx(source, {});
  EXPECT_EQ(values_of(data), (Values{1, -2}));
  EXPECT_EQ(labels_of(data.all, data.labels), Labels{"-2"});
}

TEST_F(Arrays, RefusesIdxFilesThatLie) {
  const auto labels = write("labels", idx_bytes(0x08, {2}, "\1\2"));
  const std::vector<std::pair<std::string, std::string>> cases = {
      {idx_bytes(0x08, {2, 2}, "123"), "announces 4 numbers of 1 bytes, and 3 bytes follow"},
      {idx_bytes(0x08, {2, 2}, "12345"), "5 bytes follow"},
      {idx_bytes(0x08, {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, "1"), "1 bytes follow"},
      {idx_bytes(0x0A, {2, 2}, "12345678"), "type 0x0a"},
      {idx_bytes(0x08, {3, 1}, "123"), "has 3 examples"},
      {idx_bytes(0x08, {0, 2}, ""), "no examples"},
      {std::string("\0\0\x08\xFF", 4), "ends within its header"},
      {"\x1f\x8b\x08", "gunzip"},
      {"PK", "does not begin like an IDX file"},
  };
  for (const auto& [bytes, expected] : cases) {
    const auto images = write("images", bytes);
    const std::string fault = fault_of([&] { read_idx({images, labels, {}, {}}, {}); });
    EXPECT_NE(fault.find(expected), std::string::npos) << expected << "\ngot: " << fault;
  }
}

TEST_F(Arrays, ReadsAnNpzLikeThatOfMnist) {
  const auto labels = cycling_labels(6, 3);
  write_npz(path("m.npz"), {{"x_test", npy_bytes("|u1", {3, 28, 28}, image_bytes({2, 1, 0}, 1))},
                            {"x_train", npy_bytes("|u1", {6, 28, 28}, image_bytes(labels, 2))},
                            {"y_train", npy_bytes("|u1", {6}, bytes_of(labels))},
                            {"y_test", npy_bytes("<i8", {3}, memory_of<std::int64_t>({2, 1, 0}))}});
  NpzSource source;
  source.file = path("m.npz");
  const RawData data = read_npz(source, {});
  EXPECT_EQ(data.shape, (Shape{1, 28, 28}));
  EXPECT_EQ(labels_of(data.all, data.labels), (Labels{"0", "1", "2", "0", "1", "2"}));
  ASSERT_TRUE(data.test);
  EXPECT_EQ(labels_of(*data.test, data.labels), (Labels{"2", "1", "0"}));
  EXPECT_EQ(values_of(*data.test, 28 * 28).size(), 3U * 28 * 28);
  ReadOptions without;
  without.with_test = false;
  EXPECT_FALSE(read_npz(source, without).test);
}

TEST_F(Arrays, ReadsEveryNumberOfNpy) {
  const std::vector<std::pair<std::string, std::string>> arrays = {
      {"|u1", bytes_of({3, 200})},
      {"<i2", memory_of<std::int16_t>({3, 200})},
      {"<i4", memory_of<std::int32_t>({3, 200})},
      {"<i8", memory_of<std::int64_t>({3, 200})},
      {"<f4", memory_of<float>({3, 200})},
      {"<f8", memory_of<double>({3, 200})},
  };
  for (const auto& [type, data] : arrays) {
    write_npz(path("a.npz"),
              {{"x_train", npy_bytes(type, {2, 1}, data)}, {"y_train", npy_bytes(type, {2}, data)}});
    NpzSource source;
    source.file = path("a.npz");
    const RawData raw = read_npz(source, {});
    EXPECT_EQ(values_of(raw), (Values{3, 200})) << type;
    EXPECT_EQ(labels_of(raw.all, raw.labels), (Labels{"3", "200"})) << type;
    EXPECT_FALSE(raw.test);
  }
}

TEST_F(Arrays, RefusesNpzFilesThatLie) {
  const std::string good = npy_bytes("|u1", {2, 2}, "1234");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {npy_bytes("|u1", {2, 2}, "123"), "announces 4 numbers of 1 bytes, and 3 bytes follow"},
      {npy_bytes("|u1", {2, 2}, "12345"), "and 5 bytes follow"},
      {npy_bytes("|u1", {std::int64_t{1} << 40, std::int64_t{1} << 40}, "1"), "and 1 bytes follow"},
      {npy_bytes(">f4", {1, 1}, "1234"), ">f4"},
      {npy_bytes("<U3", {1, 1}, "1234"), "<U3"},
      {npy_bytes("|u1", {2, 2}, "1234", "True"), "Fortran"},
      {npy_bytes("|u1", {2, 4, 4, 3, 1}, std::string(96, '1')), "no examples"},
      {npy_bytes("|u1", {2, 8, 8, 3}, std::string(384, '1')), "channels last"},
      {npy_bytes("|u1", {3, 1}, "123"), "has 3 examples"},
      {good.substr(0, 20), "header is longer"},
      {good.substr(0, 9), "does not begin like"},
      {"\x93NUMPY\x09" + good.substr(7), "version 9"},
      {"text", "does not begin like a NumPy array"},
  };
  NpzSource source;
  source.file = path("a.npz");
  for (const auto& [bytes, expected] : cases) {
    write_npz(source.file, {{"x_train", bytes}, {"y_train", npy_bytes("|u1", {2}, "12")}});
    const std::string fault = fault_of([&] { read_npz(source, {}); });
    EXPECT_NE(fault.find(expected), std::string::npos) << expected << "\ngot: " << fault;
    EXPECT_NE(fault.find("a.npz, array x_train"), std::string::npos) << fault;
  }
}

TEST_F(Arrays, NamesMissingArraysAndBrokenArchives) {
  NpzSource source;
  source.file = path("a.npz");
  write_npz(source.file, {{"x_trian", npy_bytes("|u1", {2, 2}, "1234")}});
  EXPECT_NE(fault_of([&] { read_npz(source, {}); }).find("did you mean 'x_trian'?"), std::string::npos);
  write("a.npz", "this is no archive, whatever its name says");
  EXPECT_NE(fault_of([&] { read_npz(source, {}); }).find("no .npz archive"), std::string::npos);
  const auto labels = cycling_labels(40, 4);
  write_npz(source.file, {{"x_train", npy_bytes("|u1", {40, 28, 28}, image_bytes(labels, 3))},
                          {"y_train", npy_bytes("|u1", {40}, bytes_of(labels))}});
  const std::string whole = read_file(source.file);
  for (const std::size_t size : {whole.size() / 3, whole.size() / 2}) {
    write("a.npz", whole.substr(0, size));
    EXPECT_NE(fault_of([&] { read_npz(source, {}); }), "") << size;
  }
}

TEST_F(Arrays, LabelsThatAreNoWholeNumbersAreRefused) {
  NpzSource source;
  source.file = path("a.npz");
  write_npz(source.file, {{"x_train", npy_bytes("|u1", {2, 2}, "1234")},
                          {"y_train", npy_bytes("<f4", {2}, memory_of<float>({1, 0.5}))}});
  EXPECT_NE(fault_of([&] { read_npz(source, {}); }).find("0.5 is not a whole number"), std::string::npos);
}

TEST_F(Arrays, ARegressionTakesAnyNumbers) {
  NpzSource source;
  source.file = path("a.npz");
  write_npz(source.file, {{"x_train", npy_bytes("|u1", {2, 2}, "1234")},
                          {"y_train", npy_bytes("<f4", {2, 2}, memory_of<float>({1, 0.5, 2, -3}))}});
  ReadOptions options;
  options.task = Task::regression;
  const RawData data = read_npz(source, options);
  EXPECT_EQ(data.labels, (Labels{"y0", "y1"}));
  EXPECT_EQ(data.all.targets.values, (Values{1, 0.5, 2, -3}));
  EXPECT_EQ(data.all.targets.width, 2U);
  EXPECT_TRUE(data.all.targets.classes.empty());
  write_npz(source.file, {{"x_train", npy_bytes("|u1", {2, 2}, "1234")},
                          {"y_train", npy_bytes("<f4", {2}, memory_of<float>({1, NAN}))}});
  EXPECT_NE(fault_of([&] { read_npz(source, options); }).find("example 1 is to be answered with nan"),
            std::string::npos);
}

TEST_F(Arrays, ReadsSafetensors) {
  SafetensorsSource source;
  source.file =
      write("a.safetensors", tensor_bytes({{"x_train", "F64", {2, 2}, memory_of<double>({1, 2, 3, 4.5})},
                                           {"y_train", "I64", {2}, memory_of<std::int64_t>({7, -1})},
                                           {"x_test", "F32", {1, 2}, memory_of<float>({8, 9})},
                                           {"y_test", "U8", {1}, "\7"}}));
  const RawData data = read_tensors(source, {});
  EXPECT_EQ(values_of(data), (Values{1, 2, 3, 4.5}));
  EXPECT_EQ(data.labels, (Labels{"-1", "7"}));
  EXPECT_EQ(data.all.targets.classes, (Classes{1, 0}));
  ASSERT_TRUE(data.test);
  EXPECT_EQ(values_of(*data.test, 2), (Values{8, 9}));
}

TEST_F(Arrays, RefusesSafetensorsThatLie) {
  const std::string good = tensor_bytes({{"x_train", "U8", {2, 2}, "1234"}, {"y_train", "U8", {2}, "12"}});
  const std::vector<std::pair<std::string, std::string>> cases = {
      {good.substr(0, good.size() - 1), "and there are 5 bytes"},
      {good + "more", "4 bytes at its end belong to no tensor"},
      {good.substr(0, 20), "its header says it is"},
      {"abc", "less than the length of a header"},
      {tensor_bytes({{"x_train", "U8", {3, 2}, "1234"}}), "has the shape [3, 2], and 4 bytes of data"},
      {tensor_bytes({{"x_train", "U9", {2, 2}, "1234"}}), "type \"U9\", which is not known"},
      {tensor_bytes({{"x_train", "F16", {1, 2}, "1234"}, {"y_train", "U8", {1}, "1"}}),
       "tensor x_train: its numbers are of the type F16, which is not read"},
      {tensor_bytes({{"x_trian", "U8", {2, 2}, "1234"}}), "did you mean 'x_trian'?"},
      {tensor_bytes({{"x_train", "U8", {}, "1"}, {"y_train", "U8", {1}, "1"}}), "it is a single number"},
  };
  SafetensorsSource source;
  for (const auto& [bytes, expected] : cases) {
    source.file = write("a.safetensors", bytes);
    const std::string fault = fault_of([&] { read_tensors(source, {}); });
    EXPECT_NE(fault.find(expected), std::string::npos) << expected << "\ngot: " << fault;
    EXPECT_NE(fault.find("a.safetensors"), std::string::npos) << fault;
  }
}

// What numpy.savez writes: nothing is compressed, so nothing need be copied.
TEST_F(Arrays, AnArrayThatIsNotCompressedIsReadWhereItLies) {
  NpzSource source;
  source.file = path("a.npz");
  const std::vector<std::pair<std::string, std::string>> arrays = {
      {"x_train", npy_bytes("<f4", {2, 2}, memory_of<float>({1, 2, 3, 4}))},
      {"y_train", npy_bytes("|u1", {2}, "12")}};
  write_npz(source.file, arrays, "store");
  EXPECT_EQ(values_of(read_npz(source, {})), (Values{1, 2, 3, 4}));
  const std::string whole = read_file(source.file);
  for (const std::size_t size : {std::size_t{10}, std::size_t{60}, std::size_t{150}, whole.size() / 2}) {
    write("a.npz", whole.substr(0, size));
    EXPECT_NE(fault_of([&] { read_npz(source, {}); }), "") << size;
  }
}

TEST_F(Arrays, ReadTheSameFromMemoryAndFromATemporaryFile) {
  const auto labels = cycling_labels(60, 3);
  NpzSource source;
  source.file = path("m.npz");
  write_npz(source.file, {{"x_train", npy_bytes("|u1", {60, 28, 28}, image_bytes(labels, 2))},
                          {"y_train", npy_bytes("|u1", {60}, bytes_of(labels))}});
  ReadOptions roomy;
  roomy.memory = std::size_t{1} << 30U;
  ReadOptions tight;
  tight.memory = 100;
  const RawData in_memory = read_npz(source, roomy);
  const RawData in_file = read_npz(source, tight);
  EXPECT_EQ(values_of(in_memory), values_of(in_file));
  EXPECT_EQ(in_memory.all.targets.classes, in_file.all.targets.classes);
}

}  // namespace
}  // namespace mlpipe
