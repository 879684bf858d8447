#include "server/protocol/v2/repository.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "pipeline/base/text.hpp"
#include "pipeline/model/model.hpp"
#include "server/protocol/failure.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t longest_name = 255;

std::vector<std::string> folders_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (auto entry = fs::directory_iterator(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    std::error_code unreadable;
    if (is_folder_name(name) && entry->is_directory(unreadable)) {
      names.push_back(name);
    }
  }
  return names;
}

void require_folder_name(const std::string& name, const char* field) {
  if (!is_folder_name(name)) {
    throw RequestError(400, fmt::format("{}: '{}' cannot be the name of a folder", field,
                                        printable(name.substr(0, longest_name))));
  }
}

// Digits without leading zeros; nothing for what is no number.
std::optional<std::string> digits_of(const std::string& version) {
  if (version.empty() || version.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  return version.substr(std::min(version.find_first_not_of('0'), version.size() - 1));
}

}  // namespace

bool is_folder_name(std::string_view name) {
  return !name.empty() && name.size() <= longest_name && name.front() != '.' &&
         name.find('/') == std::string_view::npos && name.find('\n') == std::string_view::npos &&
         is_utf8(name) && printable(name) == name;
}

bool is_lower_version(const std::string& one, const std::string& other) {
  const auto order = [](const std::string& version) {
    const std::optional<std::string> digits = digits_of(version);
    return std::tuple(digits.has_value(), digits ? digits->size() : 0, digits.value_or(""), version);
  };
  return order(one) < order(other);
}

std::vector<std::string> ModelRepository::models() const {
  std::vector<std::string> names = folders_in(folder_);
  std::erase_if(names, [this](const std::string& name) { return versions(name).empty(); });
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> ModelRepository::versions(const std::string& model) const {
  std::vector<std::string> found = folders_in(folder_ / model);
  std::erase_if(found, [&](const std::string& version) {
    std::error_code error;
    return !fs::is_regular_file(directory(model, version) / model_file, error);
  });
  std::sort(found.begin(), found.end(), is_lower_version);
  return found;
}

ModelRepository::Place ModelRepository::find(const std::string& model,
                                             const std::optional<std::string>& version) const {
  require_folder_name(model, "model");
  if (version) {
    require_folder_name(*version, "parameters.version");
  }
  const std::vector<std::string> there = versions(model);
  if (there.empty()) {
    throw RequestError(404, fmt::format("model: the repository has no '{}'", model));
  }
  if (version && std::find(there.begin(), there.end(), *version) == there.end()) {
    throw RequestError(404, fmt::format("parameters.version: the repository has '{}' in the versions {}",
                                        model, join(there, ", ")));
  }
  const std::string chosen = version.value_or(there.back());
  return {chosen, directory(model, chosen)};
}

}  // namespace mlpipe
