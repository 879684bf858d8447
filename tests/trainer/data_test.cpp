#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <set>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "tests/trainer/files.hpp"
#include "trainer/data/dataset.hpp"
#include "trainer/data/raw_data.hpp"

namespace mlpipe {
namespace {

using namespace mlpipe::testing;
using Values = std::vector<float>;
using Labels = std::vector<std::string>;

// What a UsageError says, with its hint; empty when there is none.
std::string fault_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const UsageError& error) {
    return std::string(error.what()) + "\n" + error.hint();
  }
  return "";
}

template <typename Number>
std::string memory_of(const std::vector<Number>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Number)};
}

Values values_of(const Part& part, std::size_t values_per_example) {
  Values values(part.count() * values_per_example);
  part.examples->read(part.rows, values);
  return values;
}

class DataTest : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    write_file_atomically(folder_.path() / name, bytes);
    return folder_.path() / name;
  }

  RawData csv(const std::string& text) const { return read_csv({write("t.csv", text), "kind"}); }
  std::string csv_fault(const std::string& text) const {
    return fault_of([&] { csv(text); });
  }

  std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }

 private:
  TemporaryDirectory folder_;
};

TEST_F(DataTest, ReadsCsvInAllItsForms) {
  const RawData data = csv("\xEF\xBB\xBF\"a, b\",kind,c\r\n1, \"x \"\"y\"\"\" ,-2.5\r\n\r\n1e-3,z,.5");
  EXPECT_EQ(data.columns, (Labels{"a, b", "c"}));
  EXPECT_EQ(data.examples.values, (Values{1, -2.5, 0.001F, 0.5}));
  EXPECT_EQ(data.examples.labels, (Labels{"x \"y\"", "z"}));
  EXPECT_EQ(data.shape, Shape{2});
}

TEST_F(DataTest, NamesTheRowAndColumnOfWhatIsWrongInCsv) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a,b\n1,2\n", "row 1 names no column 'kind'"},
      {"a,kinds\n1,2\n", "did you mean 'kinds'?"},
      {"a,kind\n1,x\nseven,y\n", "row 3, column 'a': 'seven' is not a number"},
      {"a,kind\n,x\n", "row 2, column 'a': an empty field is not a number"},
      {"a,kind\nnan,x\n", "row 2, column 'a': 'nan' is not a number"},
      {"a,kind\n1e39,x\n", "row 2, column 'a': '1e39' is not a number"},
      {"a,kind\n1,\n", "row 2, column 'kind': the label is empty"},
      {"a,b,kind\n1,2,x\n1,x\n", "row 3 has 2 fields, and the header names 3 columns"},
      {"a,kind\n1,x,3\n", "row 2 has 3 fields, and the header names 2 columns"},
      {"a,a,kind\n1,2,x\n", "the column 'a' twice"},
      {"kind\nx\n", "no column besides the target"},
      {"a,kind\n", "there is no row below the header"},
      {"a,kind\n\"1,x\n", "row 2"},
      {"a,kind\n1\"2,x\n", "row 2"},
  };
  for (const auto& [text, expected] : cases) {
    const std::string fault = csv_fault(text);
    EXPECT_NE(fault.find(expected), std::string::npos) << text << "\ngot: " << fault;
    EXPECT_NE(fault.find("t.csv"), std::string::npos);
  }
}

TEST_F(DataTest, AFileThatIsNoneIsNamed) {
  EXPECT_NE(fault_of([&] {
              read_csv({path("none.csv"), "x"});
            }).find("there is no such file"),
            std::string::npos);
  EXPECT_NE(fault_of([&] { read_csv({path("."), "x"}); }).find("not a regular file"), std::string::npos);
  EXPECT_NE(csv_fault("").find("it is empty"), std::string::npos);
}

TEST_F(DataTest, ReadsIdx) {
  const IdxSource source = {write("images", idx_bytes(0x08, {2, 1, 3}, std::string("\0\1\xFF\3\4\5", 6))),
                            write("labels", idx_bytes(0x08, {2}, "\7\2")),
                            {},
                            {}};
  const RawData data = read_idx(source);
  EXPECT_EQ(data.shape, (Shape{1, 1, 3}));
  EXPECT_EQ(data.examples.values, (Values{0, 1, 255, 3, 4, 5}));
  EXPECT_EQ(data.examples.labels, (Labels{"7", "2"}));
}

TEST_F(DataTest, ReadsBigEndianIdxNumbers) {
  const IdxSource source = {
      write("values", idx_bytes(0x0D, {1, 2}, std::string("\x3F\x80\0\0\xC0\0\0\0", 8))),
      write("labels", idx_bytes(0x0C, {1}, std::string("\xFF\xFF\xFF\xFE", 4))),
      {},
      {}};
  const RawData data = read_idx(source);
  EXPECT_EQ(data.examples.values, (Values{1, -2}));
  EXPECT_EQ(data.examples.labels, Labels{"-2"});
}

TEST_F(DataTest, RefusesIdxFilesThatLie) {
  const auto labels = write("labels", idx_bytes(0x08, {2}, "\1\2"));
  const std::vector<std::pair<std::string, std::string>> cases = {
      {idx_bytes(0x08, {2, 2}, "123"), "announces 4 values of 1 bytes, and 3 bytes follow"},
      {idx_bytes(0x08, {2, 2}, "12345"), "5 bytes follow"},
      {idx_bytes(0x08, {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, "1"), "1 bytes follow"},
      {idx_bytes(0x0B, {2, 2}, "12345678"), "type 0x0b"},
      {idx_bytes(0x08, {3, 1}, "123"), "has 3 examples"},
      {idx_bytes(0x08, {0, 2}, ""), "no examples"},
      {std::string("\0\0\x08\xFF", 4), "ends within its header"},
      {"\x1f\x8b\x08", "gunzip"},
      {"PK", "does not begin like an IDX file"},
  };
  for (const auto& [bytes, expected] : cases) {
    const auto images = write("images", bytes);
    const std::string fault = fault_of([&] { read_idx({images, labels, {}, {}}); });
    EXPECT_NE(fault.find(expected), std::string::npos) << expected << "\ngot: " << fault;
  }
}

TEST_F(DataTest, ReadsAnNpzLikeThatOfMnist) {
  const auto labels = cycling_labels(6, 3);
  write_npz(path("m.npz"), {{"x_test", npy_bytes("|u1", {3, 28, 28}, image_bytes({2, 1, 0}, 1))},
                            {"x_train", npy_bytes("|u1", {6, 28, 28}, image_bytes(labels, 2))},
                            {"y_train", npy_bytes("|u1", {6}, bytes_of(labels))},
                            {"y_test", npy_bytes("<i8", {3}, memory_of<std::int64_t>({2, 1, 0}))}});
  NpzSource source;
  source.file = path("m.npz");
  const RawData data = read_npz(source, true);
  EXPECT_EQ(data.shape, (Shape{1, 28, 28}));
  EXPECT_EQ(data.examples.labels, (Labels{"0", "1", "2", "0", "1", "2"}));
  ASSERT_TRUE(data.test);
  EXPECT_EQ(data.test->labels, (Labels{"2", "1", "0"}));
  EXPECT_EQ(data.test->values.size(), 3U * 28 * 28);
  EXPECT_FALSE(read_npz(source, false).test);
}

TEST_F(DataTest, ReadsEveryNumberOfNpy) {
  const std::vector<std::pair<std::string, std::string>> arrays = {
      {"|u1", bytes_of({3, 200})},
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
    const RawData raw = read_npz(source, true);
    EXPECT_EQ(raw.examples.values, (Values{3, 200})) << type;
    EXPECT_EQ(raw.examples.labels, (Labels{"3", "200"})) << type;
    EXPECT_FALSE(raw.test);
  }
}

TEST_F(DataTest, RefusesNpzFilesThatLie) {
  const std::string good = npy_bytes("|u1", {2, 2}, "1234");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {npy_bytes("|u1", {2, 2}, "123"), "does not fit its 3 bytes"},
      {npy_bytes("|u1", {2, 2}, "12345"), "does not fit its 5 bytes"},
      {npy_bytes("|u1", {std::int64_t{1} << 40, std::int64_t{1} << 40}, "1"), "does not fit its 1 bytes"},
      {npy_bytes(">f4", {1, 1}, "1234"), ">f4"},
      {npy_bytes("<U3", {1, 1}, "1234"), "<U3"},
      {npy_bytes("|u1", {2, 2}, "1234", "True"), "Fortran"},
      {npy_bytes("<f4", {2, 1}, memory_of<float>({1, NAN})), "example 1 holds nan"},
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
    const std::string fault = fault_of([&] { read_npz(source, true); });
    EXPECT_NE(fault.find(expected), std::string::npos) << expected << "\ngot: " << fault;
    EXPECT_NE(fault.find("a.npz, array x_train"), std::string::npos) << fault;
  }
}

TEST_F(DataTest, NamesMissingArraysAndBrokenArchives) {
  NpzSource source;
  source.file = path("a.npz");
  write_npz(source.file, {{"x_trian", npy_bytes("|u1", {2, 2}, "1234")}});
  EXPECT_NE(fault_of([&] { read_npz(source, true); }).find("did you mean 'x_trian'?"), std::string::npos);
  write("a.npz", "this is no archive, whatever its name says");
  EXPECT_NE(fault_of([&] { read_npz(source, true); }).find("no .npz archive"), std::string::npos);
  const auto labels = cycling_labels(40, 4);
  write_npz(source.file, {{"x_train", npy_bytes("|u1", {40, 28, 28}, image_bytes(labels, 3))},
                          {"y_train", npy_bytes("|u1", {40}, bytes_of(labels))}});
  const std::string whole = read_file(source.file);
  for (const std::size_t size : {whole.size() / 3, whole.size() / 2}) {
    write("a.npz", whole.substr(0, size));
    EXPECT_NE(fault_of([&] { read_npz(source, true); }), "") << size;
  }
}

TEST_F(DataTest, LabelsThatAreNoWholeNumbersAreRefused) {
  NpzSource source;
  source.file = path("a.npz");
  write_npz(source.file, {{"x_train", npy_bytes("|u1", {2, 2}, "1234")},
                          {"y_train", npy_bytes("<f4", {2}, memory_of<float>({1, 0.5}))}});
  EXPECT_NE(fault_of([&] { read_npz(source, true); }).find("0.5 is not a whole number"), std::string::npos);
}

TEST(Split, HoldsOutTheSameShareOfEveryLabel) {
  std::vector<std::int64_t> classes(100, 0);
  std::fill(classes.begin() + 50, classes.begin() + 80, 1);
  std::fill(classes.begin() + 80, classes.end(), 2);
  const auto held_out = choose_held_out(classes, 3, {0.2, 7});
  std::vector<int> counts(3);
  for (const std::size_t row : held_out) {
    ++counts[static_cast<std::size_t>(classes[row])];
  }
  EXPECT_EQ(counts, (std::vector<int>{10, 6, 4}));
  EXPECT_TRUE(std::is_sorted(held_out.begin(), held_out.end()));
  EXPECT_EQ(std::set<std::size_t>(held_out.begin(), held_out.end()).size(), held_out.size());
  EXPECT_EQ(choose_held_out(classes, 3, {0.2, 7}), held_out);
  EXPECT_NE(choose_held_out(classes, 3, {0.2, 8}), held_out);
}

TEST(Split, KeepsOneOfEveryLabelForTraining) {
  EXPECT_EQ(choose_held_out({0, 1, 1}, 2, {0.9, 0}).size(), 1U);
}

TEST_F(DataTest, ADatasetSortsItsLabelsByValue) {
  std::string text = "a,kind\n";
  for (const char* label : {"10", "9", "2", "10", "9", "2"}) {
    text += std::string("1,") + label + "\n";
  }
  TrainingData data;
  data.source = CsvSource{write("n.csv", text), "kind"};
  data.split = Split{0.5, 1};
  const Dataset dataset = read_dataset(data, Task::classification);
  EXPECT_EQ(dataset.labels, (Labels{"2", "9", "10"}));
  EXPECT_EQ(dataset.training.count(), 3U);
  EXPECT_EQ(dataset.held_out.count(), 3U);
}

TEST_F(DataTest, ADatasetKeepsTheRowsOfItsSource) {
  std::string text = "a,kind\n";
  for (int i = 0; i < 20; ++i) {
    text += std::to_string(i) + (i % 2 == 0 ? ",even\n" : ",odd\n");
  }
  TrainingData data;
  data.source = CsvSource{write("n.csv", text), "kind"};
  const Dataset dataset = read_dataset(data, Task::classification);
  EXPECT_EQ(dataset.held_out.count(), 4U);
  for (const Part* part : {&dataset.training, &dataset.held_out}) {
    const Values values = values_of(*part, 1);
    for (std::size_t i = 0; i < part->count(); ++i) {
      EXPECT_EQ(values[i], static_cast<float>(part->rows[i]));
      EXPECT_EQ(part->targets.classes[i], static_cast<std::int64_t>(part->rows[i] % 2));
    }
  }
}

TEST_F(DataTest, ADatasetThatCannotBeTrainedOnIsRefused) {
  TrainingData data;
  data.source = CsvSource{write("one.csv", "a,kind\n1,x\n2,x\n"), "kind"};
  EXPECT_NE(fault_of([&] { read_dataset(data, Task::classification); }).find("nothing to tell apart"),
            std::string::npos);
  data.source = CsvSource{write("two.csv", "a,kind\n1,x\n2,y\n"), "kind"};
  EXPECT_NE(fault_of([&] { read_dataset(data, Task::classification); }).find("holds out none"),
            std::string::npos);
  data.shape = Shape{1, 2, 2};
  EXPECT_NE(
      fault_of([&] { read_dataset(data, Task::classification); }).find("data.shape [1, 2, 2] asks for 4"),
      std::string::npos);
  data.shape.reset();
  data.source = CsvSource{write("bytes.csv", "a,kind\n1,\xFF\n2,y\n"), "kind"};
  EXPECT_NE(fault_of([&] { read_dataset(data, Task::classification); }).find("no UTF-8"), std::string::npos);
}

TEST_F(DataTest, ATestLabelThatTrainingDoesNotHaveIsRefused) {
  NpzSource source;
  source.file = path("a.npz");
  write_npz(source.file, {{"x_train", npy_bytes("|u1", {2, 2}, "1234")},
                          {"y_train", npy_bytes("|u1", {2}, "\1\2")},
                          {"x_test", npy_bytes("|u1", {1, 2}, "12")},
                          {"y_test", npy_bytes("|u1", {1}, "\3")}});
  TrainingData data;
  data.source = source;
  EXPECT_NE(fault_of([&] { read_dataset(data, Task::classification); }).find("the label '3'"),
            std::string::npos);
}

Dataset dataset_of(const Values& values, const Shape& shape) {
  Dataset dataset;
  dataset.shape = shape;
  dataset.training.examples = in_memory(values, element_count(shape));
  for (std::size_t i = 0; i < dataset.training.examples->count(); ++i) {
    dataset.training.rows.push_back(i);
  }
  dataset.statistics = statistics_of(*dataset.training.examples, dataset.training.rows, shape, "values");
  return dataset;
}

Preprocessing fit(Preprocessing::Kind kind, const Dataset& dataset) {
  TrainingData data;
  data.scale = kind;
  return fit_preprocessing(data, dataset);
}

TEST(FitPreprocessing, FitsEachColumnOrAllPixels) {
  const Values values = {0, 10, 4, 10, 8, 10};
  const Preprocessing columns = fit(Preprocessing::Kind::standardize, dataset_of(values, {2}));
  EXPECT_EQ(columns.offset, (Values{4, 10}));
  EXPECT_FLOAT_EQ(columns.divisor[0], std::sqrt(32.0F / 3));
  EXPECT_EQ(columns.divisor[1], 1);  // it does not vary
  const Preprocessing pixels = fit(Preprocessing::Kind::minmax, dataset_of(values, {1, 1, 2}));
  EXPECT_EQ(pixels.offset, Values{0});
  EXPECT_EQ(pixels.divisor, Values{10});
  EXPECT_TRUE(fit(Preprocessing::Kind::none, dataset_of(values, {2})).offset.empty());
}

}  // namespace
}  // namespace mlpipe
