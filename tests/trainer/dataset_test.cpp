#include "trainer/data/dataset.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/trainer/data_fixture.hpp"
#include "tests/trainer/files.hpp"
#include "trainer/data/split.hpp"

namespace mlpipe {
namespace {

using namespace mlpipe::testing;

class DatasetTest : public DataFixture {};

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

TEST_F(DatasetTest, ADatasetSortsItsLabelsByValue) {
  std::string text = "a,kind\n";
  for (const char* label : {"10", "9", "2", "10", "9", "2"}) {
    text += std::string("1,") + label + "\n";
  }
  TrainingData data;
  data.source = CsvSource{write("n.csv", text), {"kind"}};
  data.split = Split{0.5, 1};
  const Dataset dataset = read_dataset(data, Task::classification);
  EXPECT_EQ(dataset.labels, (Labels{"2", "9", "10"}));
  EXPECT_EQ(dataset.training.count(), 3U);
  EXPECT_EQ(dataset.held_out.count(), 3U);
}

TEST_F(DatasetTest, ADatasetKeepsTheRowsOfItsSource) {
  std::string text = "a,kind\n";
  for (int i = 0; i < 20; ++i) {
    text += std::to_string(i) + (i % 2 == 0 ? ",even\n" : ",odd\n");
  }
  TrainingData data;
  data.source = CsvSource{write("n.csv", text), {"kind"}};
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

TEST_F(DatasetTest, ADatasetThatCannotBeTrainedOnIsRefused) {
  TrainingData data;
  data.source = CsvSource{write("one.csv", "a,kind\n1,x\n2,x\n"), {"kind"}};
  EXPECT_NE(fault_of([&] { read_dataset(data, Task::classification); }).find("nothing to tell apart"),
            std::string::npos);
  data.source = CsvSource{write("two.csv", "a,kind\n1,x\n2,y\n"), {"kind"}};
  EXPECT_NE(fault_of([&] { read_dataset(data, Task::classification); }).find("holds out none"),
            std::string::npos);
  data.shape = Shape{1, 2, 2};
  EXPECT_NE(
      fault_of([&] { read_dataset(data, Task::classification); }).find("data.shape [1, 2, 2] asks for 4"),
      std::string::npos);
  data.shape.reset();
  data.source = CsvSource{write("bytes.csv", "a,kind\n1,\xFF\n2,y\n"), {"kind"}};
  EXPECT_NE(fault_of([&] { read_dataset(data, Task::classification); }).find("no UTF-8"), std::string::npos);
}

TEST_F(DatasetTest, ATestLabelThatTrainingDoesNotHaveIsRefused) {
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
  dataset.training = whole_part(in_memory(values, element_count(shape)), {}, "values");
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

// A table whose rows name their part, the columns in no order.
constexpr const char* parts = "part,kind,a\ntrain,x,1\ntest,y,2\ntrain,y,3\ntest,x,4\n";

TEST_F(DatasetTest, SplitsByAColumn) {
  TrainingData data;
  data.source = CsvSource{write("p.csv", parts), {"kind"}};
  data.split = Split{};
  data.split->by = "part";
  const Dataset dataset = read_dataset(data, Task::classification);
  EXPECT_EQ(dataset.columns.size(), 1U);
  EXPECT_EQ(values_of(dataset.training, 1), (Values{1, 3}));
  EXPECT_EQ(values_of(dataset.held_out, 1), (Values{2, 4}));
  EXPECT_EQ(dataset.held_out.rows, (std::vector<std::size_t>{1, 3}));
  EXPECT_EQ(labels_of(dataset.held_out, dataset.labels), (Labels{"y", "x"}));
  EXPECT_EQ(dataset.columns[0].most, 3);  // of the training part

  const auto fault = [&](const std::string& text) {
    data.source = CsvSource{write("p.csv", text), {"kind"}};
    return fault_of([&] { read_dataset(data, Task::classification); });
  };
  EXPECT_NE(fault("part,kind,a\ntrain,x,1\nval,y,2\n").find("row 3, column 'part': 'val' is neither train"),
            std::string::npos);
  EXPECT_NE(fault("part,kind,a\ntrain,x,1\ntrain,y,2\n").find("no example to test with"), std::string::npos);
  EXPECT_NE(fault("part,kind,a\ntest,x,1\ntest,y,2\n").find("no example to train with"), std::string::npos);
  EXPECT_NE(
      fault("part,kind,a\ntrain,x,1\ntest,y,2\n").find("the label 'y', which the training part has not"),
      std::string::npos);
  EXPECT_NE(fault("kind,a\nx,1\n").find("no column 'part', which split.by asks for"), std::string::npos);
}

TEST_F(DatasetTest, SplitsByFile) {
  TrainingData data;
  CsvSource source{write("train.csv", "a,color,kind\n1,red,x\n2,blue,y\n"), {"kind"}};
  source.test = write("test.csv", "kind,color,a\ny,red,8\nx,green,9\n");  // the columns in another order
  data.source = source;
  const Dataset dataset = read_dataset(data, Task::classification);
  EXPECT_EQ(values_of(dataset.training, 2), (Values{1, 1, 2, 0}));
  EXPECT_EQ(dataset.columns[1].categories, (Labels{"blue", "red"}));
  EXPECT_EQ(values_of(dataset.held_out, 2), (Values{8, 1, 9, -1}));  // green was never seen
  EXPECT_EQ(dataset.held_out.targets.classes, (Classes{1, 0}));

  const auto fault = [&](const std::string& test) {
    source.test = write("test.csv", test);
    data.source = source;
    return fault_of([&] { read_dataset(data, Task::classification); });
  };
  EXPECT_NE(fault("kind,a\ny,1\n").find("test.csv: row 1 names no column 'color'"), std::string::npos);
  EXPECT_NE(fault("kind,a,color,b\ny,1,red,2\n").find("names the column 'b', which"), std::string::npos);
  EXPECT_NE(fault("kind,a,color\n").find("no row below the header"), std::string::npos);
  EXPECT_NE(fault("kind,a,color\nz,1,red\n").find("the label 'z', which the training part has not"),
            std::string::npos);
}

TEST_F(DatasetTest, ASplitNeedNotKeepTheSharesOfTheLabels) {
  std::string text = "a,kind\n";
  for (int i = 0; i < 100; ++i) {
    text += std::to_string(i) + (i < 90 ? ",x\n" : ",y\n");
  }
  TrainingData data;
  data.source = CsvSource{write("n.csv", text), {"kind"}};
  const auto held_out_of_y = [&](std::uint64_t seed, bool stratify) {
    data.split = Split{0.5, seed, stratify};
    const Dataset dataset = read_dataset(data, Task::classification);
    EXPECT_EQ(dataset.held_out.count(), 50U);
    const Labels labels = labels_of(dataset.held_out, dataset.labels);
    return std::count(labels.begin(), labels.end(), "y");
  };
  std::set<std::ptrdiff_t> counts;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    EXPECT_EQ(held_out_of_y(seed, true), 5);
    counts.insert(held_out_of_y(seed, false));
  }
  EXPECT_GT(counts.size(), 1U);
}

TEST_F(DatasetTest, ARegressionHasTargetsInTheirOwnUnits) {
  TrainingData data;
  CsvSource source{write("r.csv", "a,price,size\n1,100,7\n2,200.5,8\n3,300,9\n4,-1e3,10\n5,0,11\n"),
                   {"size", "price"}};
  data.source = source;
  const Dataset dataset = read_dataset(data, Task::regression);
  EXPECT_EQ(dataset.labels, (Labels{"size", "price"}));
  EXPECT_EQ(dataset.training.targets.width, 2U);
  EXPECT_EQ(dataset.training.count(), 4U);
  EXPECT_EQ(dataset.held_out.count(), 1U);
  const Values inputs = values_of(dataset.training, 1);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(dataset.training.targets.values[2 * i], inputs[i] + 6);
  }
  source.file = write("r.csv", "a,price,size\n1,100,7\n2,much,8\n");
  data.source = source;
  EXPECT_NE(fault_of([&] {
              read_dataset(data, Task::regression);
            }).find("row 3, column 'price': the target 'much' is not a number"),
            std::string::npos);
}

TEST_F(DatasetTest, ThreadsLoadWhatIsNotOnlyCopied) {
  TrainingData data;
  data.source = CsvSource{write("w.csv", "a,kind\n1,x\n2,y\n3,x\n4,y\n5,x\n6,y\n"), {"kind"}};
  const auto workers = [&] { return loader_workers(data, read_dataset(data, Task::classification)); };
  data.split = Split{0.5, 0};
  EXPECT_EQ(workers(), 0);
  data.memory = 10;
  EXPECT_EQ(workers(), 1);
  data.workers = 3;
  EXPECT_EQ(workers(), 3);
}

TEST_F(DatasetTest, BinaryTellsTwoLabelsApart) {
  TrainingData data;
  data.source = CsvSource{write("b.csv", "a,kind\n1,x\n2,y\n3,z\n4,x\n"), {"kind"}};
  EXPECT_NE(fault_of([&] { read_dataset(data, Task::binary); }).find("there are 3: x, y, z"),
            std::string::npos);
}

TEST_F(DatasetTest, AValueThatIsNoNumberIsNamedInBothParts) {
  NpzSource source;
  source.file = path("a.npz");
  const std::string good = npy_bytes("<f4", {2, 2}, memory_of<float>({1, 2, 3, 4}));
  const std::string bad = npy_bytes("<f4", {2, 2}, memory_of<float>({1, 2, NAN, 4}));
  TrainingData data;
  data.source = source;
  for (const bool in_test : {false, true}) {
    write_npz(source.file, {{"x_train", in_test ? good : bad},
                            {"y_train", npy_bytes("|u1", {2}, "12")},
                            {"x_test", in_test ? bad : good},
                            {"y_test", npy_bytes("|u1", {2}, "12")}});
    const std::string fault = fault_of([&] { read_dataset(data, Task::classification); });
    EXPECT_NE(
        fault.find(in_test ? "array x_test: example 1 holds nan" : "array x_train: example 1 holds nan"),
        std::string::npos)
        << fault;
  }
}

TEST_F(DatasetTest, OnlyImagesAreAugmentedAndHoldNoWords) {
  TrainingData data;
  data.source = CsvSource{write("t.csv", "a,b,kind\n1,x,k\n2,y,l\n3,x,k\n4,y,l\n5,x,k\n6,x,l\n"), {"kind"}};
  data.split = Split{0.5, 0};
  data.shape = Shape{1, 1, 2};
  EXPECT_NE(fault_of([&] { read_dataset(data, Task::classification); }).find("column 'b' holds words"),
            std::string::npos);
  data.shape.reset();
  data.augment = Augmentation{true, false, 0};
  EXPECT_NE(fault_of([&] { read_dataset(data, Task::classification); }).find("can be augmented"),
            std::string::npos);
}

TEST(FitPreprocessing, FitsEachChannel) {
  TrainingData data;
  data.scale = Preprocessing::Kind::minmax;
  data.per_channel = true;
  const Preprocessing channels = fit_preprocessing(data, dataset_of({0, 10, 4, 5, 8, 2, 7, 6}, {2, 1, 2}));
  EXPECT_EQ(channels.offset, (Values{0, 4}));
  EXPECT_EQ(channels.divisor, (Values{10, 3}));
}

TEST(FitPreprocessing, GivesAnEmbeddingItsNumbersAsTheyAre) {
  Network network;
  network.layers.push_back({Embedding{4, 2}, {}, {}, {}, 0});
  Dataset dataset = dataset_of({0, 3, 1, 2}, {2});
  dataset.columns = {{"color", 0, 1, {"blue", "red"}}, {"word", 2, 3}};
  dataset.held_out = whole_part(in_memory({1, 3}, 2), {}, "held out");
  TrainingData data;
  const Preprocessing fitted = fit_preprocessing(data, dataset, network);
  EXPECT_EQ(fitted.kind, Preprocessing::Kind::none);
  EXPECT_TRUE(fitted.categories.empty());

  const auto fault = [&] { return fault_of([&] { fit_preprocessing(data, dataset, network); }); };
  dataset.held_out = whole_part(in_memory({1, 4}, 2), {}, "held out");
  EXPECT_NE(fault().find("held out: the column 'word' holds 4, and the embedding has the entries 0 to 3"),
            std::string::npos)
      << fault();
  dataset.held_out = whole_part(in_memory({-1, 3}, 2), {}, "held out");
  EXPECT_NE(fault().find("the column 'color' holds -1"), std::string::npos) << fault();
  dataset.held_out = whole_part(in_memory({0.5F, 3}, 2), {}, "held out");
  EXPECT_NE(fault().find("value 0 of example 0 is 0.5"), std::string::npos) << fault();
  data.scale = Preprocessing::Kind::minmax;
  EXPECT_NE(fault().find("takes numbers as they are"), std::string::npos);
}

TEST(FitPreprocessing, LeavesCategoriesAsTheyAre) {
  Dataset dataset = dataset_of({0, 10, 1, 20, 1, 30}, {2});
  dataset.columns = {{"color", 0, 1, {"blue", "red"}}, {"size", 10, 30}};
  TrainingData data;
  data.scale = Preprocessing::Kind::minmax;
  const Preprocessing fitted = fit_preprocessing(data, dataset);
  EXPECT_EQ(fitted.categories, (std::vector<std::size_t>{2, 0}));
  EXPECT_EQ(fitted.offset, (Values{0, 0, 10}));
  EXPECT_EQ(fitted.divisor, (Values{1, 1, 20}));
  Values encoded(3);
  fitted.apply(Values{1, 30}, encoded, 2);
  EXPECT_EQ(encoded, (Values{0, 1, 1}));
}

}  // namespace
}  // namespace mlpipe
