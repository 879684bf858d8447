// Data of every kind, through the real programs.
#include "tests/functional/project.hpp"

namespace mlpipe {
namespace {

// PNG files of one grey pixel.
constexpr std::size_t png_size = 67;
const std::string black(
    "\211\120\116\107\015\012\032\012\000\000\000\015\111\110\104\122\000\000\000\001\000\000\000\001"
    "\010\000\000\000\000\072\176\233\125\000\000\000\012\111\104\101\124\170\234\143\140\000\000\000"
    "\002\000\001\110\257\244\161\000\000\000\000\111\105\116\104\256\102\140\202",
    png_size);
const std::string white(
    "\211\120\116\107\015\012\032\012\000\000\000\015\111\110\104\122\000\000\000\001\000\000\000\001"
    "\010\000\000\000\000\072\176\233\125\000\000\000\012\111\104\101\124\170\234\143\370\017\000\001"
    "\001\001\000\261\070\366\024\000\000\000\000\111\105\116\104\256\102\140\202",
    png_size);

void write_images(const Project& project) {
  for (int i = 0; i < 10; ++i) {
    project.write("images/black/" + std::to_string(i) + ".png", black);
    project.write("images/white/" + std::to_string(i) + ".png", white);
  }
}

constexpr const char* folder_pipeline = R"(
name: shades
steps:
  train:
    train:
      data: { folder: images, channels: 1, resize: [2, 2], augment: { flip: both, crop: 1 }, workers: 2 }
      network: [flatten, linear: auto]
      optimizer: { adam: { lr: 0.1 } }
      epochs: 20
)";

TEST(TrainingData, AFolderOfImagesIsAnInputOfItsStep) {
  Project project;
  write_images(project);
  project.pipeline(folder_pipeline);
  const Json first = project.json({"run", "--json"});
  EXPECT_EQ(state_of(first, "train"), "succeeded");
  const std::string model = digest_of_output(first, "train", "model");
  EXPECT_EQ(state_of(project.json({"run", "--json"}), "train"), "cached");

  project.write("images/black/9.png", white);
  const Json plan = project.json({"plan", "--json"});
  EXPECT_TRUE(has(reasons_of(plan, "train"), "images/black/9.png"));

  project.write("images/black/9.png", black);
  const Json again = project.json({"run", "--json", "--force", "train"});
  EXPECT_EQ(digest_of_output(again, "train", "model"), model);  // whatever the order of the worker threads
}

TEST(TrainingData, AnImageThatDoesNotDecodeFailsTheStepByName) {
  Project project;
  write_images(project);
  project.write("images/black/torn.png", black.substr(0, png_size / 2));
  project.pipeline(folder_pipeline);
  const Captured run = project.mlpipe({"run"});
  EXPECT_TRUE(exits(run, 1));
  EXPECT_TRUE(has(run.error, "1 of 21 files do not decode"));
  EXPECT_TRUE(has(run.error, "images/black/torn.png"));
  project.replace("pipeline.yaml", "channels: 1", "channels: 1, skip-bad: 1");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
}

TEST(TrainingData, ATableMayHoldWordsAndGaps) {
  Project project;
  std::string rows = "color,size,id,kind\n";
  for (int i = 0; i < 40; ++i) {
    rows += std::string(i % 2 == 0 ? "red," : "blue,") + (i % 5 == 0 ? "" : "1") + "," + std::to_string(i) +
            (i % 2 == 0 ? ",yes\n" : ",no\n");
  }
  project.write("data.csv", rows);
  project.pipeline(R"(
name: words
steps:
  train:
    train:
      data: { csv: data.csv, target: kind, drop: [id], missing: mean }
      network: [linear: auto]
      optimizer: { adam: { lr: 0.5 } }
      epochs: 20
)");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
  const auto model = project.elsewhere() / "model";
  EXPECT_TRUE(exits(project.mlpipe({"get", "train/model", model.string()}), 0));
  EXPECT_TRUE(has(read_file(model / "model.yaml"), R"(categories: ["blue", "red"])"));
  const auto report = project.elsewhere() / "report";
  EXPECT_TRUE(exits(project.mlpipe({"get", "train/report", report.string()}), 0));
  EXPECT_EQ(Json::parse(read_file(report / "metrics.json"))["accuracy"], 1.0);  // the color tells it
}

}  // namespace
}  // namespace mlpipe
