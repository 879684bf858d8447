#include "pipeline/oci/tar_reader.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/oci/tar_writer.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class TarReaderTest : public testing::Test {
 protected:
  fs::path tar(const std::function<void(TarWriter&)>& fill) {
    std::string text;
    TarWriter writer([&](std::string_view bytes) { text += bytes; });
    fill(writer);
    writer.finish();
    return write(text);
  }
  fs::path write(const std::string& text) {
    const fs::path file = scratch_.path() / std::to_string(++count_);
    write_file_atomically(file, text);
    return file;
  }
  // Why it is refused; nothing may have been written outside of the folder.
  std::string refusal(const fs::path& file, const UnpackLimits& limits = {}) {
    const fs::path folder = scratch_.path() / "inner" / std::to_string(++count_);
    fs::create_directories(folder);
    std::string why;
    try {
      unpack_tar(file, folder, limits);
    } catch (const UsageError& error) {
      why = error.what();
    }
    EXPECT_FALSE(fs::exists(scratch_.path() / "inner" / "evil"));
    EXPECT_FALSE(fs::exists("/tmp/mlpipe-evil"));
    return why;
  }
  // Makes the first entry one of another type; its checksum fits.
  static std::string with_type(std::string text, char type, const std::string& link) {
    text[156] = type;
    text.replace(157, link.size(), link);
    text.replace(148, 8, "        ");
    unsigned sum = 0;
    for (std::size_t i = 0; i < 512; ++i) {
      sum += static_cast<unsigned char>(text[i]);
    }
    text.replace(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
    return text;
  }

  TemporaryDirectory scratch_;
  int count_ = 0;
};

TEST_F(TarReaderTest, NamesThatLeadOutAreRefused) {
  for (const std::string name :
       {"../evil", "a/../../evil", "/tmp/mlpipe-evil", "a//b", "a/./b", "a\nb", "a\x1b[2J", "\xff"}) {
    EXPECT_NE(refusal(tar([&](TarWriter& writer) { writer.file(name, "x"); })), "") << name;
  }
  EXPECT_EQ(refusal(tar([](TarWriter& writer) { writer.file("./a/b", "x"); })), "");
}

TEST_F(TarReaderTest, OnlyFilesAndFoldersAreTaken) {
  const std::string plain = read_file(tar([](TarWriter& writer) { writer.file("a", ""); }));
  for (const char type : {'1', '2', '3', '4', '6'}) {
    EXPECT_NE(refusal(write(with_type(plain, type, "/etc/passwd"))), "") << type;
  }
}

TEST_F(TarReaderTest, NothingIsWrittenTwiceOrThroughALink) {
  EXPECT_NE(refusal(tar([](TarWriter& writer) {
              writer.file("a", "x");
              writer.file("a", "y");
            })),
            "");
  EXPECT_NE(refusal(tar([](TarWriter& writer) {
              writer.file("a", "x");
              writer.file("a/b", "y");
            })),
            "");
}

TEST_F(TarReaderTest, BoundsHold) {
  const fs::path big = tar([](TarWriter& writer) { writer.file("a", std::string(5000, 'x')); });
  EXPECT_EQ(refusal(big, {5000, 10}), "");
  EXPECT_NE(refusal(big, {4999, 10}), "");
  const fs::path many = tar([](TarWriter& writer) {
    writer.file("a", "");
    writer.file("b", "");
  });
  EXPECT_EQ(refusal(many, {10, 2}), "");
  EXPECT_NE(refusal(many, {10, 1}), "");
}

TEST_F(TarReaderTest, WhatIsCutOffOrNoTarIsRefused) {
  const std::string whole =
      read_file(tar([](TarWriter& writer) { writer.file("a", std::string(5000, 'x')); }));
  EXPECT_NE(refusal(write(whole.substr(0, 2000))), "");
  EXPECT_NE(refusal(write("this is no tar file at all, but text that goes on " + std::string(600, 'y'))), "");
}

}  // namespace
}  // namespace mlpipe
