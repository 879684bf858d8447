#include "pipeline/container/build_context.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class Context : public testing::Test {
 protected:
  void write(const std::string& path, const std::string& text = "", mode_t mode = 0644) {
    fs::create_directories((folder() / path).parent_path());
    write_file_atomically(folder() / path, text, mode);
  }
  const fs::path& folder() const { return folder_.path(); }
  BuildContext find() const { return find_build_context(folder() / "Dockerfile", folder()); }
  std::string entries() const {
    std::string text;
    for (const ContextEntry& entry : find().entries) {
      text += entry.path + " ";
    }
    return text;
  }

  TemporaryDirectory folder_;
};

TEST_F(Context, HoldsFilesLinksAndEmptyFolders) {
  write("Dockerfile");
  write("bin/run", "", 0755);
  write("data/a");
  fs::create_directories(folder() / "empty/below");
  fs::create_symlink("../nowhere", folder() / "data/link");
  fs::create_directory_symlink("data", folder() / "folder-link");
  write(".mlpipe/index.db");
  std::map<std::string, ContextEntry> found;
  for (const ContextEntry& entry : find().entries) {
    found[entry.path] = entry;
  }
  ASSERT_EQ(found.size(), 6U) << entries();
  EXPECT_EQ(found.at("bin/run").kind, ContextEntry::Kind::executable);
  EXPECT_EQ(found.at("data/a").kind, ContextEntry::Kind::file);
  EXPECT_EQ(found.at("data/link").target, "../nowhere");
  EXPECT_EQ(found.at("folder-link").kind, ContextEntry::Kind::link);
  EXPECT_EQ(found.at("empty/below").kind, ContextEntry::Kind::folder);
  EXPECT_TRUE(found.contains("Dockerfile"));
}

TEST_F(Context, FollowsTheRulesThatCount) {
  write("Dockerfile");
  write("a/x");
  write("a/keep");
  write("b/y");
  write(".dockerignore", "a\n!a/keep\nDockerfile\n");
  EXPECT_EQ(entries(), ".dockerignore a/keep b/y ");
  EXPECT_EQ(find().ignore_file, folder() / ".dockerignore");
  write("Dockerfile.dockerignore", "b\nDockerfile*\n");
  EXPECT_EQ(entries(), "a/keep a/x ");
}

TEST_F(Context, ReadsNoFolderThatTheRulesClose) {
  write("closed/deep/x");
  write("open/x");
  write(".dockerignore", "closed\n");
  std::vector<std::string> folders;
  for (const fs::path& one : find().folders) {
    folders.push_back(one.lexically_relative(folder()).string());
  }
  std::sort(folders.begin(), folders.end());
  EXPECT_EQ(folders, (std::vector<std::string>{".", "open"}));
}

TEST_F(Context, RulesThatAreNoneAreNamed) {
  write(".dockerignore", "[a\n");
  try {
    find();
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), (folder() / ".dockerignore").string() + ": line 1: '[a': the '[' has no ']'");
  }
}

}  // namespace
}  // namespace mlpipe
