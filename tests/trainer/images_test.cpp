#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "tests/trainer/data_fixture.hpp"
#include "tests/trainer/image_files.hpp"
#include "trainer/data/augment.hpp"
#include "trainer/data/batch_loader.hpp"

namespace mlpipe {
namespace {

using namespace mlpipe::testing;
using Pixels = std::vector<std::uint8_t>;

std::string reason_of(const std::string& bytes) {
  try {
    decode_image(bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Images, APngIsReadAsItIs) {
  for (const std::int64_t channels : {1, 3}) {
    const Image image = ramp_image({3, 5}, channels);
    const Image read = decode_image(png_bytes(image));
    EXPECT_EQ(read.size, image.size);
    EXPECT_EQ(read.channels, channels);
    EXPECT_EQ(read.pixels, image.pixels);
  }
}

TEST(Images, WhatIsTransparentIsBlack) {
  const Image read =
      decode_image(rgba_png_bytes({1, 2}, "\x10\x20\x30\xFF\x10\x20\x30" + std::string(1, '\0')));
  EXPECT_EQ(read.pixels, (Pixels{0x10, 0x20, 0x30, 0, 0, 0}));
}

TEST(Images, AJpegIsReadNearly) {
  const Image colour = decode_image(jpeg_bytes(plain_image({9, 17}, 200, 100, 50)));
  EXPECT_EQ(colour.size, (ImageSize{9, 17}));
  EXPECT_EQ(colour.channels, 3);
  EXPECT_NEAR(colour.pixels[0], 200, 3);
  EXPECT_NEAR(colour.pixels[1], 100, 3);
  EXPECT_NEAR(colour.pixels[2], 50, 3);
  EXPECT_EQ(decode_image(jpeg_bytes(ramp_image({8, 8}, 1))).channels, 1);
}

TEST(Images, WhatDoesNotDecodeSaysWhy) {
  const std::string png = png_bytes(ramp_image({20, 20}, 3));
  const std::string jpeg = jpeg_bytes(ramp_image({40, 40}, 3));
  EXPECT_EQ(reason_of(""), "it is empty");
  EXPECT_EQ(reason_of("GIF89a"), "it is neither JPEG nor PNG");
  for (const std::size_t size : {std::size_t{5}, std::size_t{30}, png.size() / 2, png.size() - 20}) {
    EXPECT_NE(reason_of(png.substr(0, size)), "") << size;
  }
  for (const std::size_t size : {std::size_t{4}, std::size_t{30}, jpeg.size() / 2, jpeg.size() - 2}) {
    EXPECT_NE(reason_of(jpeg.substr(0, size)), "") << size;
  }
  std::string damaged = png;
  damaged[damaged.size() / 2] ^= 1;
  EXPECT_NE(reason_of(damaged), "");
  EXPECT_NE(reason_of(lying_png_bytes(ramp_image({4, 4}, 1), {4, 5})), "");
  const std::string huge = reason_of(lying_png_bytes(ramp_image({4, 4}, 1), {100000, 100000}));
  EXPECT_NE(huge.find("100000 pixels high and 100000 wide, more than"), std::string::npos) << huge;
}

TEST(Images, GreyIsWeighedAndSpread) {
  EXPECT_EQ(with_channels(plain_image({1, 1}, 255, 0, 0), 1).pixels, Pixels{76});
  EXPECT_EQ(with_channels(plain_image({1, 1}, 9, 9, 9), 1).pixels, Pixels{9});
  EXPECT_EQ(with_channels({{1, 2}, 1, {3, 4}}, 3).pixels, (Pixels{3, 3, 3, 4, 4, 4}));
}

TEST(Images, AreResizedByWeighedMeans) {
  const Image row{{1, 4}, 1, {0, 100, 200, 40}};
  // The first new pixel lies over the first two old ones and reaches half into the third: weights 3, 3 and 1.
  EXPECT_EQ(resized(row, {1, 2}).pixels, (Pixels{(3 * 0 + 3 * 100 + 200) / 7, (100 + 3 * 200 + 3 * 40) / 7}));
  EXPECT_EQ(resized({{1, 2}, 1, {0, 100}}, {1, 4}).pixels, (Pixels{0, 25, 75, 100}));
  EXPECT_EQ(resized({{2, 1}, 1, {0, 100}}, {4, 1}).pixels, (Pixels{0, 25, 75, 100}));
  EXPECT_EQ(resized(plain_image({7, 5}, 1, 2, 3), {3, 4}).pixels, plain_image({3, 4}, 1, 2, 3).pixels);
  EXPECT_EQ(resized({{1, 2}, 3, {0, 10, 20, 100, 110, 120}}, {1, 1}).pixels, (Pixels{50, 60, 70}));
}

TEST(Images, BecomePlanes) {
  Values values(6);
  write_planes({{1, 2}, 3, {1, 2, 3, 4, 5, 6}}, values);
  EXPECT_EQ(values, (Values{1, 4, 2, 5, 3, 6}));
}

TEST(Augment, FlipsAndMovesWholeImages) {
  const Shape shape = {1, 2, 3};
  const Values image = {1, 2, 3, 4, 5, 6};
  std::set<Values> flipped;
  std::set<Values> moved;
  std::vector<float> scratch;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Values values = image;
    augment({true, true, 0}, shape, seed, values, scratch);
    flipped.insert(values);
    values = image;
    augment({false, false, 1}, shape, seed, values, scratch);
    moved.insert(values);
  }
  EXPECT_EQ(flipped, (std::set<Values>{image, {3, 2, 1, 6, 5, 4}, {4, 5, 6, 1, 2, 3}, {6, 5, 4, 3, 2, 1}}));
  EXPECT_EQ(moved.size(), 9U);
  EXPECT_TRUE(moved.contains({0, 0, 0, 0, 1, 2}));  // down and right
  EXPECT_TRUE(moved.contains({5, 6, 0, 0, 0, 0}));  // up and left
}

TEST(Augment, MovesByMoreThanTheImageLeaveZeros) {
  Values values = {1, 2, 3, 4};
  std::vector<float> scratch;
  bool emptied = false;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    values = {1, 2, 3, 4};
    augment({false, false, 9}, {1, 2, 2}, seed, values, scratch);
    emptied = emptied || values == Values{0, 0, 0, 0};
  }
  EXPECT_TRUE(emptied);
}

class Folder : public DataFixture {
 protected:
  // Two labels of so many images each, alternately PNG and JPEG, of a brightness of their own.
  void write_images(const std::string& folder, int count, const ImageSize& size = {6, 4}) const {
    for (int i = 0; i < count; ++i) {
      const auto bright = static_cast<std::uint8_t>(10 * i);
      const Image image = plain_image(size, bright, bright, bright);
      write(folder + "/cat/" + std::to_string(i) + (i % 2 == 0 ? ".png" : ".jpg"),
            i % 2 == 0 ? png_bytes(image) : jpeg_bytes(image));
      write(folder + "/dog/" + std::to_string(i) + ".png", png_bytes(image));
    }
  }

  TrainingData data(const FolderSource& source) const {
    TrainingData result;
    result.source = source;
    return result;
  }

  std::string fault(const FolderSource& source) const {
    return fault_of([&] { read_dataset(data(source), Task::classification); });
  }
};

TEST_F(Folder, EachFolderIsALabel) {
  write_images("images", 10);
  write("images/README.txt", "not looked at");
  write("images/cat/.hidden", "not looked at");
  const TrainingData asked = data({path("images")});
  const Dataset dataset = read_dataset(asked, Task::classification);
  EXPECT_EQ(dataset.labels, (Labels{"cat", "dog"}));
  EXPECT_EQ(dataset.shape, (Shape{3, 6, 4}));
  EXPECT_EQ(dataset.training.count(), 16U);
  EXPECT_EQ(dataset.held_out.count(), 4U);
  EXPECT_EQ(dataset.least, 0);
  EXPECT_EQ(dataset.most, 255);
  EXPECT_TRUE(dataset.is_decoded);
  EXPECT_GE(loader_workers(asked, dataset), 1);
  const Values values = values_of(dataset.training, 3 * 6 * 4);
  for (std::size_t i = 0; i < dataset.training.count(); ++i) {
    const std::size_t row = dataset.training.rows[i];
    EXPECT_EQ(dataset.training.targets.classes[i], row < 10 ? 0 : 1);
    EXPECT_NEAR(values[i * 72], static_cast<float>(10 * (row % 10)), 2);
  }
  const Preprocessing scaled = fit_preprocessing(asked, dataset);
  EXPECT_EQ(scaled.offset, Values{0});
  EXPECT_EQ(scaled.divisor, Values{255});
}

TEST_F(Folder, StandardisesOverWhatItDecodes) {
  write_images("images", 5);
  TrainingData asked = data({path("images")});
  asked.scale = Preprocessing::Kind::standardize;
  asked.per_channel = true;
  asked.split = Split{0.2, 1};
  const Dataset dataset = read_dataset(asked, Task::classification);
  const Preprocessing fitted = fit_preprocessing(asked, dataset);
  ASSERT_EQ(fitted.offset.size(), 3U);
  const Values values = values_of(dataset.training, 72);
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); i += 72) {
    sum = std::accumulate(values.begin() + static_cast<std::ptrdiff_t>(i),
                          values.begin() + static_cast<std::ptrdiff_t>(i + 24), sum);
  }
  EXPECT_NEAR(fitted.offset[0], sum / static_cast<double>(dataset.training.count() * 24), 1e-3);
}

TEST_F(Folder, BringsImagesToOneSizeAndChannels) {
  write_images("images", 4);
  write("images/cat/large.png", png_bytes(plain_image({60, 40}, 255, 0, 0)));
  FolderSource source{path("images")};
  EXPECT_NE(fault(source).find("large.png: it is 60 pixels high and 40 wide"), std::string::npos)
      << fault(source);
  EXPECT_NE(fault(source).find("data.resize"), std::string::npos);
  source.resize = ImageSize{3, 2};
  source.channels = 1;
  const Dataset dataset = read_dataset(data(source), Task::classification);
  EXPECT_EQ(dataset.shape, (Shape{1, 3, 2}));
}

TEST_F(Folder, HasATestFolderOfItsOwn) {
  write_images("train", 3);
  write_images("test", 1);
  FolderSource source{path("train")};
  source.test = path("test");
  const Dataset dataset = read_dataset(data(source), Task::classification);
  EXPECT_EQ(dataset.training.count(), 6U);
  EXPECT_EQ(dataset.held_out.count(), 2U);
  write("test/bird/0.png", png_bytes(plain_image({6, 4}, 1, 1, 1)));
  EXPECT_NE(fault(source).find("the test part has the label 'bird'"), std::string::npos) << fault(source);
}

TEST_F(Folder, NamesAndCountsWhatDoesNotDecode) {
  write_images("images", 5);
  write("images/cat/2b.png", png_bytes(ramp_image({6, 4}, 3)).substr(0, 40));
  write("images/dog/notes.txt", "no image");
  FolderSource source{path("images")};
  for (const std::size_t skip : {std::size_t{0}, std::size_t{1}}) {
    source.skip_bad = skip;
    const std::string found = fault(source);
    EXPECT_NE(found.find("2 of 12 files do not decode"), std::string::npos) << found;
    EXPECT_NE(found.find("cat/2b.png: "), std::string::npos);
    EXPECT_NE(found.find("dog/notes.txt: it is neither JPEG nor PNG"), std::string::npos);
    EXPECT_NE(found.find("data.skip-bad: 2"), std::string::npos);
  }
  source.skip_bad = 2;
  const Dataset dataset = read_dataset(data(source), Task::classification);
  EXPECT_EQ(dataset.training.count() + dataset.held_out.count(), 10U);
  ASSERT_EQ(dataset.skipped.size(), 2U);
  EXPECT_NE(dataset.skipped[1].find("notes.txt"), std::string::npos);
}

TEST_F(Folder, RefusesWhatIsNoFolderOfLabels) {
  EXPECT_NE(fault({path("none")}).find("there is no such folder"), std::string::npos);
  write("flat/a.png", "x");
  EXPECT_NE(fault({path("flat")}).find("there is no folder in it"), std::string::npos);
  write_images("one", 3);
  std::filesystem::remove_all(path("one/dog"));
  EXPECT_NE(fault({path("one")}).find("every example has the label 'cat'"), std::string::npos);
  std::filesystem::create_directory(path("one/dog"));
  EXPECT_NE(fault({path("one")}).find("one/dog: there is no image in it"), std::string::npos);
  write("one/dog/deep/a.png", "x");
  EXPECT_NE(fault({path("one")}).find("not deeper"), std::string::npos);
}

TEST_F(Folder, LoadsTheSameBatchesWithAnyNumberOfWorkers) {
  write_images("images", 8);
  TrainingData asked = data({path("images")});
  asked.augment = Augmentation{true, false, 2};
  const Dataset dataset = read_dataset(asked, Task::classification);
  const Preprocessing scaling = fit_preprocessing(asked, dataset);
  std::vector<std::size_t> order(dataset.training.count());
  std::iota(order.rbegin(), order.rend(), 0);
  std::vector<Values> epochs;
  for (const int workers : {0, 3}) {
    LoaderOptions options;
    options.batch = 3;
    options.workers = workers;
    BatchLoader loader(dataset.training, dataset.shape, scaling, asked.augment, options);
    loader.start_epoch(order, 11);
    Values all;
    while (const LoadedBatch* batch = loader.next()) {
      all.insert(all.end(), batch->values.begin(), batch->values.end());
    }
    epochs.push_back(all);
  }
  EXPECT_EQ(epochs[0].size(), dataset.training.count() * 72);
  EXPECT_EQ(epochs[0], epochs[1]);
}

TEST_F(Folder, AFileThatChangesUnderTheTrainingIsNamed) {
  write_images("images", 3);
  const Dataset dataset = read_dataset(data({path("images")}), Task::classification);
  write("images/cat/0.png", "gone");
  try {
    values_of(dataset.training, 72);
    values_of(dataset.held_out, 72);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("cat/0.png: it could be decoded before"), std::string::npos);
  }
}

}  // namespace
}  // namespace mlpipe
