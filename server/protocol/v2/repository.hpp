#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mlpipe {

// A folder of models: FOLDER/<model>/<version>/model.yaml. It is looked at anew each time; nothing is kept.
class ModelRepository {
 public:
  explicit ModelRepository(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // In the order of their names; without what is no model.
  std::vector<std::string> models() const;
  // The lowest first; empty for a model that is not there.
  std::vector<std::string> versions(const std::string& model) const;

  // Where a version that is there lies.
  std::filesystem::path directory(const std::string& model, const std::string& version) const {
    return folder_ / model / version;
  }

  struct Place {
    std::string version;
    std::filesystem::path directory;
  };
  // Where a version lies, by default the highest. Throws RequestError 400 for a name that cannot be that of a
  // folder in it, 404 for what is not there.
  Place find(const std::string& model, const std::optional<std::string>& version) const;

 private:
  std::filesystem::path folder_;
};

// Whether a name from outside can be that of one folder, and of nothing else.
bool is_folder_name(std::string_view name);

// Numbers by their value, behind all that are none.
bool is_lower_version(const std::string& one, const std::string& other);

}  // namespace mlpipe
