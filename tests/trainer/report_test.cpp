#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/base/text.hpp"
#include "trainer/training/chart.hpp"
#include "trainer/training/model_card.hpp"
#include "trainer/training/tensorboard.hpp"

namespace mlpipe {
namespace {

// Reads protobuf's wire format: each field's number with its bytes, or its number as eight bytes.
class Fields {
 public:
  explicit Fields(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::uint64_t key = take_varint(bytes);
      std::string value;
      switch (key % 8) {
        case 0:
          value = bytes_of(take_varint(bytes));
          break;
        case 1:
          value = take(bytes, 8);
          break;
        case 2:
          value = take(bytes, take_varint(bytes));
          break;
        case 5:
          value = take(bytes, 4);
          break;
        default:
          ADD_FAILURE() << "wire type " << key % 8;
          return;
      }
      fields_.emplace(key / 8, value);
    }
  }

  std::size_t count(std::uint64_t field) const { return fields_.count(field); }
  std::string bytes(std::uint64_t field) const { return fields_.find(field)->second; }
  template <typename Number>
  Number number(std::uint64_t field) const {
    Number number{};
    std::memcpy(&number, bytes(field).data(), sizeof number);
    return number;
  }
  std::vector<std::string> all(std::uint64_t field) const {
    std::vector<std::string> all;
    const auto [first, end] = fields_.equal_range(field);
    for (auto at = first; at != end; ++at) {
      all.push_back(at->second);
    }
    return all;
  }

 private:
  static std::string take(std::string_view& bytes, std::size_t size) {
    EXPECT_LE(size, bytes.size());
    std::string taken(bytes.substr(0, size));
    bytes.remove_prefix(taken.size());
    return taken;
  }
  static std::uint64_t take_varint(std::string_view& bytes) {
    std::uint64_t number = 0;
    for (unsigned shift = 0; !bytes.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes.front());
      bytes.remove_prefix(1);
      number |= std::uint64_t{byte % 128U} << shift;
      if (byte < 128) {
        break;
      }
    }
    return number;
  }
  static std::string bytes_of(std::uint64_t number) {
    std::string bytes(sizeof number, '\0');
    std::memcpy(bytes.data(), &number, sizeof number);
    return bytes;
  }

  std::multimap<std::uint64_t, std::string> fields_;
};

std::vector<Fields> events_in(std::string_view file) {
  std::vector<Fields> events;
  while (file.size() >= 16) {
    std::uint64_t length = 0;
    std::uint32_t crc = 0;
    std::memcpy(&length, file.data(), sizeof length);
    std::memcpy(&crc, file.data() + 8, sizeof crc);
    EXPECT_EQ(crc, masked(crc32c(file.substr(0, 8))));
    if (file.size() < length + 16) {
      break;
    }
    const std::string_view event = file.substr(12, length);
    std::memcpy(&crc, file.data() + 12 + length, sizeof crc);
    EXPECT_EQ(crc, masked(crc32c(event)));
    events.emplace_back(event);
    file.remove_prefix(length + 16);
  }
  EXPECT_TRUE(file.empty());
  return events;
}

const History history = {
    {200, 1, false, {{"batch_loss", 0.75}, {"learning_rate", 0.001}}},
    {300, 2, true, {{"train_loss", 0.5}, {"held_out_loss", 0.625}, {"accuracy", 0.875}}}};

TEST(TensorBoard, TheChecksumIsCastagnolis) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);            // the check value of CRC-32C
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);  // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
}

TEST(TensorBoard, TheEventsReadBack) {
  const std::vector<Fields> events = events_in(tensorboard_events(history));
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].bytes(3), "brain.Event:2");
  EXPECT_EQ(events[1].number<std::int64_t>(2), 200);
  EXPECT_EQ(events[2].number<std::int64_t>(2), 300);
  const std::vector<std::string> values = Fields(events[2].bytes(5)).all(1);
  ASSERT_EQ(values.size(), 3U);
  EXPECT_EQ(Fields(values[2]).bytes(1), "epoch/accuracy");
  EXPECT_EQ(Fields(values[2]).number<float>(2), 0.875F);
  EXPECT_EQ(Fields(Fields(events[1].bytes(5)).all(1)[0]).bytes(1), "batch/batch_loss");
}

TEST(TensorBoard, PythonReadsTheEvents) {
  Command probe;
  probe.arguments = {"python3", "-c", "import tensorboard"};
  try {
    if (!run_and_capture(probe).ending.succeeded()) {
      GTEST_SKIP() << "this python3 has no tensorboard";
    }
  } catch (const Error&) {
    GTEST_SKIP() << "there is no python3";
  }
  const TemporaryDirectory folder;
  write_file_atomically(folder.path() / "events.out.tfevents.0.mlpipe", tensorboard_events(history));
  write_file_atomically(
      folder.path() / "read.py",
      "import sys\n"
      "from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n"
      "events = EventAccumulator(sys.argv[1]).Reload()\n"
      "scalar = events.Scalars('epoch/accuracy')[0]\n"
      "sys.exit(0 if (scalar.step, scalar.value) == (300, 0.875) else 1)\n");
  Command command;
  command.arguments = {"python3", (folder.path() / "read.py").string(), folder.path().string()};
  const Captured python = run_and_capture(command);
  EXPECT_TRUE(python.ending.succeeded()) << python.error;
}

TEST(Chart, DrawsEveryPointAndEscapesNames) {
  const std::string svg =
      curves_svg("a < b", "epoch", {{"x&y", {{1, 0.5}, {2, 0.25}, {3, 0}}}, {"none", {}}});
  EXPECT_TRUE(svg.starts_with("<svg "));
  EXPECT_NE(svg.find("a &lt; b"), std::string::npos);
  EXPECT_NE(svg.find("x&amp;y"), std::string::npos);
  EXPECT_NE(svg.find("points=\"60.0,40.0 340.0,175.0 620.0,310.0\""), std::string::npos) << svg;
  EXPECT_NE(curves_svg("one point", "epoch", {{"x", {{1, 7}}}}).find("points=\"340.0,175.0\""),
            std::string::npos);
}

TEST(Chart, TheConfusionIsATableOfCounts) {
  const std::vector<std::string> labels = {"cat", "a name that is longer than a cell"};
  const std::vector<std::size_t> counts = {3, 1, 0, 20};
  const std::string svg = confusion_svg(labels, counts);
  EXPECT_NE(svg.find(">20</text>"), std::string::npos);
  EXPECT_NE(svg.find("fill-opacity=\"0.750\""), std::string::npos);
  EXPECT_NE(svg.find("a name that is…"), std::string::npos) << svg;
}

TEST(ModelCard, SaysWhatTheModelIsWithoutBeingMarkup) {
  Model model;
  model.name = "two|<b>";
  model.labels = {"no", "yes*"};
  model.input_shape = {2};
  model.columns = {{"a", 0, 1, {}}, {"b", 0, 1, {}}};
  Metrics metrics;
  metrics.held_out.metrics = {{"accuracy", 0.75}};
  metrics.parameters = 1234;
  metrics.epochs = 3;
  metrics.epoch = 2;
  const std::string card = model_card(model, Training(), metrics, "data.csv");
  EXPECT_TRUE(card.starts_with("# two\\|\\<b\\>\n")) << card;
  EXPECT_NE(card.find("yes\\*"), std::string::npos);
  EXPECT_NE(card.find("| accuracy | 0.7500 |"), std::string::npos);
  EXPECT_NE(card.find("1,234 parameters"), std::string::npos);
  EXPECT_NE(card.find("3 epochs, the weights are those of epoch 2"), std::string::npos);
}

}  // namespace
}  // namespace mlpipe
