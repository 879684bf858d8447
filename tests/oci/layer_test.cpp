#include <gtest/gtest.h>
#include <sys/stat.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/oci/model_layer.hpp"
#include "pipeline/oci/tar_reader.hpp"
#include "pipeline/oci/tar_writer.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

std::string tar_of(const std::function<void(TarWriter&)>& fill) {
  std::string text;
  TarWriter tar([&](std::string_view bytes) { text += bytes; });
  fill(tar);
  tar.finish();
  return text;
}

TEST(Tar, HeadersAreThoseOfUstar) {
  const std::string tar = tar_of([](TarWriter& writer) {
    writer.folder("model");
    writer.file("model/a", "hello");
    writer.file("model/run", "", true);
  });
  ASSERT_EQ(tar.size(), 6U * 512U);
  const auto header = [](const std::string& name, const std::string& mode, const std::string& size,
                         const std::string& sum, char type) {
    std::string block(512, '\0');
    const auto put = [&](std::size_t at, const std::string& text) { block.replace(at, text.size(), text); };
    put(0, name);
    put(100, mode);
    put(108, "0000000");
    put(116, "0000000");
    put(124, size);
    put(136, "00000000000");
    put(148, sum + std::string("\0 ", 2));
    block[156] = type;
    put(257, std::string("ustar\00000", 8));
    put(329, "0000000");
    put(337, "0000000");
    return block;
  };
  const auto sum_of = [](const std::string& block) {
    unsigned sum = 0;
    for (std::size_t i = 0; i < block.size(); ++i) {
      sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(block[i]);
    }
    return fmt::format("{:06o}", sum);
  };
  const std::string folder = header("model/", "0000755", "00000000000", sum_of(tar.substr(0, 512)), '5');
  EXPECT_EQ(tar.substr(0, 512), folder);
  const std::string file = header("model/a", "0000644", "00000000005", sum_of(tar.substr(512, 512)), '0');
  EXPECT_EQ(tar.substr(512, 512), file);
  EXPECT_EQ(tar.substr(1024, 512), "hello" + std::string(507, '\0'));
  EXPECT_EQ(tar.substr(1536 + 100, 7), "0000755");
  EXPECT_EQ(tar.substr(2048), std::string(1024, '\0'));
}

TEST(Tar, LongNamesAreCutAtASlash) {
  const std::string folder(90, 'd');
  const std::string name = folder + "/" + std::string(90, 'f');
  const std::string tar = tar_of([&](TarWriter& writer) { writer.file(name, "x"); });
  EXPECT_EQ(tar.substr(0, 90), std::string(90, 'f'));
  EXPECT_EQ(tar.substr(345, 90), folder);
  EXPECT_THROW(tar_of([](TarWriter& writer) { writer.file(std::string(101, 'f'), "x"); }), Error);
  EXPECT_THROW(
      tar_of([](TarWriter& writer) { writer.file(std::string(200, 'd') + "/" + std::string(90, 'f'), ""); }),
      Error);
}

class LayerTest : public testing::Test {
 protected:
  fs::path model(const std::string& name) {
    const fs::path folder = scratch_.path() / name;
    fs::create_directories(folder / "sub");
    write_file_atomically(folder / "model.yaml", "mlpipe-model: 1\n");
    write_file_atomically(folder / "sub" / "run", "x", 0755);
    write_file_atomically(folder / "sub-a", "y", 0600);
    return folder;
  }

  TemporaryDirectory scratch_;
};

TEST_F(LayerTest, EqualModelsGiveEqualBytesEverywhere) {
  const ModelLayer one = write_model_layer(model("one"), scratch_.path() / "one.tar");
  const ModelLayer two = write_model_layer(model("two"), scratch_.path() / "two.tar");
  EXPECT_EQ(one.digest, two.digest);
  EXPECT_EQ(one.digest, digest_of_file(one.file));
  EXPECT_EQ(one.bytes, fs::file_size(one.file));
  // Of this folder for ever: who appends the same model to the same image gets the same image.
  EXPECT_EQ(one.digest.hex(), "067b6c13eae6a68ec25674c1e87863cc4bcab8e9e36784727c001b0bd2ae1788");
}

TEST_F(LayerTest, UnpacksToTheSameModel) {
  const ModelLayer layer = write_model_layer(model("one"), scratch_.path() / "one.tar");
  unpack_tar(layer.file, scratch_.path() / "out");
  const ModelLayer again =
      write_model_layer(scratch_.path() / "out" / "model", scratch_.path() / "again.tar");
  EXPECT_EQ(again.digest, layer.digest);
}

TEST_F(LayerTest, RefusesWhatIsNoModelFolder) {
  EXPECT_THROW(write_model_layer(scratch_.path() / "none", scratch_.path() / "a.tar"), UsageError);
  fs::create_directory(scratch_.path() / "empty");
  EXPECT_THROW(write_model_layer(scratch_.path() / "empty", scratch_.path() / "b.tar"), UsageError);
  const fs::path linked = model("linked");
  fs::create_symlink("/etc/passwd", linked / "passwd");
  EXPECT_THROW(write_model_layer(linked, scratch_.path() / "c.tar"), UsageError);
}

}  // namespace
}  // namespace mlpipe
