#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/file.hpp"
#include "pipeline/store/store.hpp"

namespace mlpipe {

// A store to which results of made-up steps are added, one second after the other.
class StoreFixture : public testing::Test {
 protected:
  using Files = std::map<std::string, std::string>;
  struct Given {
    std::string step;
    Result from;
  };

  std::filesystem::path directory() const { return folder_.path() / "store"; }
  std::filesystem::path scratch(const std::string& name) const { return folder_.path() / name; }

  // A result of the step with one output, `out`: a file, or a folder when `files` has more than one entry.
  Result add(const std::string& step, const std::vector<Given>& given, const Files& files) {
    Recipe recipe;
    recipe.add("script", "0000", step);
    for (const Given& one : given) {
      const Output& output = one.from.outputs.front();
      recipe.add("input", one.step + "/out", (output.folder ? "tree:" : "file:") + output.digest.hex());
    }
    const std::filesystem::path out = scratch("out");
    if (files.size() == 1) {
      std::ofstream(out) << files.begin()->second;
    } else {
      for (const auto& [name, text] : files) {
        std::filesystem::create_directories((out / name).parent_path());
        std::ofstream(out / name) << text;
        if (name.ends_with(".sh")) {
          std::filesystem::permissions(out / name, std::filesystem::perms(0755));
        }
      }
    }
    Result result;
    result.action_key = recipe.digest();
    result.succeeded = true;
    result.outputs.push_back(store_->blobs().take("out", out));
    remove_tree(out);
    result.metrics = {{"accuracy", 0.5}};
    result.log = store_->blobs().add("log of " + step + std::to_string(clock_));
    result.started = from_milliseconds(clock_);
    result.finished = from_milliseconds(clock_ + 500);
    clock_ += 1000;
    result.id = store_->add_result(result);
    store_->add_realization("p", step, digest_of(step), recipe, {{"lr", "1"}});
    return result;
  }
  Result add(const std::string& step, const std::vector<Given>& given, const std::string& bytes) {
    return add(step, given, Files{{"out", bytes}});
  }

  void release(const std::string& model, int version, const Output& tree) {
    store_->database()
        .prepare("INSERT INTO releases VALUES(?, ?, ?, ?, '{}', ?, ?)")
        .bind(model)
        .bind(version)
        .bind(tree.digest)
        .bind(static_cast<std::int64_t>(tree.bytes))
        .bind(R"({"pipeline":"p","params":{},"steps":{}})")
        .bind(clock_++)
        .run();
  }
  void move_alias(const std::string& model, const std::string& alias, int version) {
    store_->database()
        .prepare("INSERT INTO alias_events(model, alias, version, reason, at) VALUES(?, ?, ?, 'moved', ?)")
        .bind(model)
        .bind(alias)
        .bind(version)
        .bind(clock_++)
        .run();
  }

  // Every path below a folder, with a file's bytes.
  static std::map<std::string, std::string> contents(const std::filesystem::path& folder) {
    std::map<std::string, std::string> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      found[entry.path().lexically_relative(folder).string()] =
          entry.is_regular_file() ? read_file(entry.path()) : "";
    }
    return found;
  }

  static void overwrite(const std::filesystem::path& file, const std::string& bytes) {
    std::filesystem::permissions(file, std::filesystem::perms(0644));
    std::ofstream(file, std::ios::in | std::ios::out) << bytes;
    std::filesystem::permissions(file, std::filesystem::perms(0444));
  }

  TemporaryDirectory folder_;
  std::optional<Store> store_ = Store::open(directory());
  std::int64_t clock_ = 1'700'000'000'000;
};

}  // namespace mlpipe
