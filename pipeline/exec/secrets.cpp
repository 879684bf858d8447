#include "pipeline/exec/secrets.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/mask.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t largest_secret = 1U << 20U;
constexpr std::size_t piece = std::size_t{1} << 20U;

Mask mask_of(const std::map<std::string, std::string>& named) {
  std::vector<std::string> values;
  for (const auto& [name, value] : named) {
    values.push_back(value);
  }
  return Mask(std::move(values));
}

}  // namespace

Environment Secrets::variables_of(const Step& step) const {
  Environment variables;
  for (const SecretVariable& secret : step.secrets) {
    const auto value = values_.find(secret.secret);
    if (value != values_.end()) {
      variables[secret.variable] = value->second;
    }
  }
  return variables;
}

std::string Secrets::masked(std::string text) const {
  return mask_of(values_).masked(std::move(text));
}

std::optional<std::string> find_secret(const std::string& name, const Environment& environment) {
  if (const auto value = environment.find("MLPIPE_SECRET_" + name); value != environment.end()) {
    return value->second;
  }
  const auto folder = environment.find("MLPIPE_SECRETS_DIR");
  if (folder == environment.end() || folder->second.empty()) {
    return std::nullopt;
  }
  auto value = read_file_if_exists(fs::path(folder->second) / name, largest_secret);
  if (value && value->ends_with('\n')) {
    value->pop_back();
  }
  return value;
}

void mask_file(const fs::path& file, const Environment& secret_variables) {
  const Mask mask = mask_of(secret_variables);
  const std::size_t longest = mask.longest();
  if (longest == 0) {
    return;
  }
  const fs::path masked_file = file.string() + ".masked";
  {
    const FileDescriptor from = open_file(file, O_RDONLY);
    const FileDescriptor to = open_file(masked_file, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    std::string text;
    for (bool at_end = false; !at_end;) {
      const std::size_t held = text.size();
      text.resize(held + piece);
      const ssize_t count = ::read(from.get(), text.data() + held, piece);
      if (count < 0) {
        throw_errno("reading " + file.string());
      }
      text.resize(held + static_cast<std::size_t>(count));
      at_end = count == 0;
      text = mask.masked(std::move(text));
      // A value may begin at the end of this piece.
      const std::size_t done =
          at_end || text.size() < longest ? (at_end ? text.size() : 0) : text.size() - longest + 1;
      write_all(to.get(), std::string_view(text).substr(0, done), masked_file.string());
      text.erase(0, done);
    }
  }
  fs::rename(masked_file, file);
}

}  // namespace mlpipe
