#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "tests/trainer/data_fixture.hpp"

namespace mlpipe {
namespace {

using namespace mlpipe::testing;

class Csv : public DataFixture {
 protected:
  RawData read(const std::string& text, CsvSource source = {"", {"kind"}},
               std::size_t memory = 1 << 20) const {
    source.file = write("t.csv", text);
    ReadOptions options;
    options.memory = memory;
    RawData data = read_csv(source, options);
    data.fit(data.all.rows, data.columns);
    return data;
  }

  std::string fault(const std::string& text, const CsvSource& source = {"", {"kind"}}) const {
    return fault_of([&] { read(text, source); });
  }
};

CsvSource with_missing(MissingValues missing) {
  CsvSource source{"", {"kind"}};
  source.missing = missing;
  return source;
}

Labels names_of(const RawData& data) {
  Labels names;
  for (const Column& column : data.columns) {
    names.push_back(column.name);
  }
  return names;
}

TEST_F(Csv, IsReadInAllItsForms) {
  const RawData data = read("\xEF\xBB\xBF\"a, b\",kind,c\r\n1, \"x \"\"y\"\"\" ,-2.5\r\n\r\n1e-3,z,.5");
  EXPECT_EQ(names_of(data), (Labels{"a, b", "c"}));
  EXPECT_EQ(values_of(data), (Values{1, -2.5, 0.001F, 0.5}));
  EXPECT_EQ(labels_of(data.all, data.labels), (Labels{"x \"y\"", "z"}));
  EXPECT_EQ(data.shape, Shape{2});
}

TEST_F(Csv, WordsBecomeCategories) {
  const RawData data = read("color,size,kind\nred,1,x\nblue,2,y\nred,3,x\ngreen,4,y\n");
  EXPECT_EQ(data.columns[0].categories, (Labels{"blue", "green", "red"}));
  EXPECT_TRUE(data.columns[1].categories.empty());
  EXPECT_EQ(values_of(data), (Values{2, 1, 0, 2, 2, 3, 1, 4}));
}

TEST_F(Csv, NumbersBecomeCategoriesWhereThatIsSaid) {
  CsvSource source{"", {"kind"}};
  source.categorical = {"zip"};
  const RawData data = read("zip,kind\n10,x\n9,y\n10,x\n", source);
  EXPECT_EQ(data.columns[0].categories, (Labels{"9", "10"}));
  EXPECT_EQ(values_of(data), (Values{1, 0, 1}));
}

TEST_F(Csv, ColumnsCanBeLeftOut) {
  CsvSource source{"", {"kind"}};
  source.drop = {"id", "note"};
  const RawData data = read("id,a,note,kind\nseven,1,,x\n8,2,y,z\n", source);
  EXPECT_EQ(names_of(data), Labels{"a"});
  EXPECT_EQ(values_of(data), (Values{1, 2}));
}

TEST_F(Csv, MissingValuesBecomeWhatIsSaid) {
  const std::string text = "a,color,kind\n1,red,x\n,blue,y\nNA,,x\n5,red,y\n";
  EXPECT_EQ(values_of(read(text, with_missing(MissingValues::mean))), (Values{1, 1, 3, 0, 3, -1, 5, 1}));
  EXPECT_EQ(values_of(read(text, with_missing(MissingValues::zero))), (Values{1, 1, 0, 0, 0, -1, 5, 1}));
  const RawData dropped = read(text, with_missing(MissingValues::drop));
  EXPECT_EQ(values_of(dropped), (Values{1, 0, 5, 0}));
  EXPECT_EQ(labels_of(dropped.all, dropped.labels), (Labels{"x", "y"}));
  EXPECT_EQ(dropped.columns[1].categories, Labels{"red"});  // blue went with its row
}

// What hangs on the data hangs on the training rows alone.
TEST_F(Csv, MeansAndCategoriesComeFromTheRowsThatAreTrainedOn) {
  CsvSource source = with_missing(MissingValues::mean);
  source.file = write("t.csv", "a,color,kind\n1,red,x\n,red,y\n3,blue,x\n100,blue,y\n");
  RawData data = read_csv(source, {});
  const std::vector<std::size_t> rows = {0, 1};
  data.fit(rows, data.columns);
  EXPECT_EQ(data.columns[1].categories, Labels{"red"});
  EXPECT_EQ(values_of(data), (Values{1, 0, 1, 0, 3, -1, 100, -1}));
  source.file = write("t.csv", "a,kind\n,x\n1,y\n");
  RawData none = read_csv(source, {});
  const std::vector<std::size_t> first = {0};
  EXPECT_NE(fault_of([&] { none.fit(first, none.columns); }).find("'a' has no value to take the mean of"),
            std::string::npos);
}

TEST_F(Csv, TheRowAndColumnOfWhatIsWrongAreNamed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a,b\n1,2\n", "row 1 names no column 'kind', which is the target"},
      {"a,kinds\n1,2\n", "did you mean 'kinds'?"},
      {"a,kind\n1,x\nseven,y\n", "row 3, column 'a': 'seven' is not a number, and row 2 has one"},
      {"a,kind\nseven,x\n1,y\n", "row 3, column 'a': '1' is a number, and row 2 has a word"},
      {"a,kind\nseven,x\n1,y\n", "data.categorical: [a]"},
      {"a,kind\n,x\n", "row 2, column 'a': the field is empty"},
      {"a,kind\nnan,x\n", "row 2, column 'a': the value is missing: nan"},
      {"a,kind\nNA,x\n", "data.missing: mean, zero or drop"},
      {"a,kind\n1e39,x\n", "row 2, column 'a': '1e39' is not a number of 32 bits"},
      {"a,kind\n1,\n", "row 2, column 'kind': the label is empty"},
      {"a,b,kind\n1,2,x\n1,x\n", "row 3 has 2 fields, and the header names 3 columns"},
      {"a,kind\n1,x,3\n", "row 2 has 3 fields, and the header names 2 columns"},
      {"a,a,kind\n1,2,x\n", "the column 'a' twice"},
      {"kind\nx\n", "no column besides the target"},
      {"a,kind\n", "there is no row below the header"},
      {"a,kind\n\"1,x\n", "row 2"},
      {"a,kind\n1\"2,x\n", "row 2"},
      {"a,kind\n\xFF,x\n", "the category '"},
      {"\xFF,kind\n1,x\n", "no UTF-8"},
      {"", "it is empty"},
  };
  for (const auto& [text, expected] : cases) {
    const std::string found = fault(text);
    EXPECT_NE(found.find(expected), std::string::npos) << text << "\ngot: " << found;
    EXPECT_NE(found.find("t.csv"), std::string::npos);
  }
  CsvSource source{"", {"kind"}};
  source.drop = {"aa"};
  EXPECT_NE(fault("a,kind\n1,x\n", source).find("no column 'aa', which drop names"), std::string::npos);
  EXPECT_NE(fault("a,kind\n,x\n,y\n", with_missing(MissingValues::drop)).find("every row misses a value"),
            std::string::npos);
  EXPECT_NE(fault("a,kind\n,x\n1,\n", with_missing(MissingValues::mean)).find("row 3, column 'kind'"),
            std::string::npos);
}

TEST_F(Csv, AColumnWithTooManyCategoriesIsNamed) {
  std::string text = "name,kind\n";
  for (int i = 0; i < 257; ++i) {
    text += "n" + std::to_string(i) + ",x\n";
  }
  const std::string found = fault(text);
  EXPECT_NE(found.find("row 258, column 'name': 'n256' is one more category than the 256"), std::string::npos)
      << found;
  EXPECT_NE(found.find("data.drop: [name]"), std::string::npos) << found;
}

TEST_F(Csv, AFileThatIsNoneIsNamed) {
  EXPECT_NE(fault_of([&] {
              read_csv({path("none.csv"), {"x"}}, {});
            }).find("there is no such file"),
            std::string::npos);
  EXPECT_NE(fault_of([&] {
              read_csv({path("."), {"x"}}, {});
            }).find("not a regular file"),
            std::string::npos);
}

TEST_F(Csv, IsTheSameFromMemoryAndFromATemporaryFile) {
  std::string text = "a,b,kind\n";
  for (int i = 0; i < 500; ++i) {
    text += std::to_string(i) + (i % 3 == 0 ? ",up," : ",down,") + (i % 2 == 0 ? "x\n" : "y\n");
  }
  const RawData memory = read(text);
  const RawData spilled = read(text, {"", {"kind"}}, 64);
  EXPECT_EQ(values_of(memory), values_of(spilled));
  EXPECT_EQ(values_of(spilled)[2 * 3 + 1], 1);  // row 3 says up
}

}  // namespace
}  // namespace mlpipe
