#include "tests/layers/layers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <regex>
#include <set>
#include <sstream>

#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace fs = std::filesystem;
namespace {

using Folders = std::vector<std::string>;

// A folder and the other ones that its files may include. An include points to the left, or down this list's
// order.
struct Layer {
  std::string folder;
  Folders may_include;
};

const std::vector<Layer>& layers() {
  static const std::vector<Layer> table = [] {
    std::vector<Layer> layers;
    Folders left;
    for (const std::string name : {"base", "container", "cluster", "model", "spec", "plan", "store", "agent",
                                   "exec", "registry", "deploy", "run", "cli"}) {
      layers.push_back({"pipeline/" + name, left});
      left.push_back("pipeline/" + name);
    }
    const auto agent = std::find_if(layers.begin(), layers.end(),
                                    [](const Layer& layer) { return layer.folder == "pipeline/agent"; });
    agent->may_include = {"pipeline/base",
                          "pipeline/container"};  // it goes into every container: as little as can be
    const Layer others[] = {
        {"pipeline/fetch", {"pipeline/base"}},
        {"pipeline/archive", {"pipeline/base"}},
        {"pipeline/oci", {"pipeline/base", "pipeline/container", "pipeline/cluster", "pipeline/agent"}},
        {"pipeline/image", {"pipeline/base", "pipeline/container"}},
        {"pipeline/kubernetes",
         {"pipeline/base", "pipeline/container", "pipeline/cluster", "pipeline/agent", "pipeline/oci"}},
        {"trainer/network", {"pipeline/base", "pipeline/model"}},
        {"trainer/image", {"pipeline/base", "pipeline/model"}},
        {"trainer/data", {"pipeline/base", "pipeline/model", "trainer/image"}},
        {"trainer/training", {"pipeline/base", "pipeline/model", "trainer/network", "trainer/data"}},
        {"trainer",
         {"pipeline/base", "pipeline/model", "trainer/network", "trainer/data", "trainer/training"}},
        {"server/page", {}},
        {"server/http", {"pipeline/base"}},
        {"server/feedback", {"pipeline/base"}},
        {"server/engine", {"pipeline/base", "pipeline/model"}},
        {"server/model", {"pipeline/base", "pipeline/model", "trainer/network", "server/engine"}},
        {"server/protocol",
         {"pipeline/base", "pipeline/model", "trainer/image", "server", "server/page", "server/http",
          "server/engine", "server/feedback"}},
        {"server/protocol/v2",
         {"pipeline/base", "pipeline/model", "server/http", "server/engine", "server/protocol"}},
        {"server/protocol/openapi",
         {"pipeline/base", "pipeline/model", "server/page", "server/engine", "server/protocol",
          "server/protocol/v2"}},
        {"server/filter", {"pipeline/base", "server/http", "server/feedback", "server/protocol"}},
        {"server/grpc",
         {"pipeline/base", "pipeline/model", "server/http", "server/engine", "server/protocol",
          "server/protocol/v2", "server/filter"}},
        {"server",
         {"pipeline/base", "pipeline/model", "trainer/network", "server/page", "server/http", "server/engine",
          "server/feedback", "server/model", "server/protocol", "server/protocol/v2",
          "server/protocol/openapi", "server/filter", "server/grpc"}},
    };
    layers.insert(layers.end(), std::begin(others), std::end(others));
    return layers;
  }();
  return table;
}

// A library's headers and the only files (or folders, with a '/' at the end) that may include them.
struct Wrapper {
  std::string header;  // what the name of the header begins with
  Folders places;
};

const std::vector<Wrapper>& wrappers() {
  static const std::vector<Wrapper> table = {
      {"yaml-cpp/", {"pipeline/base/yaml.cpp"}},
      {"openssl/",
       {"pipeline/base/digest.cpp", "server/port_secrets.cpp", "pipeline/base/base64.cpp",
        "server/filter/credentials.cpp", "server/http/tls.cpp"}},
      {"sqlite3.h", {"pipeline/store/database.hpp", "pipeline/store/database.cpp"}},
      {"curl/", {"pipeline/fetch/download.cpp", "pipeline/kubernetes/", "pipeline/oci/http.cpp"}},
      {"CLI/",
       {"pipeline/cli/command_line.cpp", "pipeline/fetch/main.cpp", "pipeline/image/main.cpp",
        "pipeline/kubernetes/main.cpp", "pipeline/oci/main.cpp", "trainer/main.cpp", "trainer/summary.cpp",
        "server/options.cpp"}},
      {"archive", {"trainer/data/npz.cpp", "pipeline/archive/archive.cpp", "pipeline/oci/tar_reader.cpp"}},
      {"csv.h", {"trainer/data/csv.cpp"}},
      {"jerror.h", {"trainer/image/jpeg.cpp"}},
      {"jpeglib.h", {"trainer/image/jpeg.cpp"}},
      {"png.h", {"trainer/image/png.cpp"}},
      {"zlib.h", {"server/filter/gzip.cpp"}},
      {"torch/", {"trainer/", "server/model/package_model.cpp", "server/model/script_model.cpp"}},
      {"ATen/", {"trainer/"}},
      {"c10/", {"trainer/", "server/model/forward_model.cpp"}},
      {"boost/asio/", {"pipeline/deploy/http.cpp", "server/http/"}},
      {"boost/beast/", {"pipeline/deploy/http.cpp", "server/http/"}},
      {"absl/", {"server/grpc/"}},  // what gRPC is made of
      {"google/protobuf/", {"server/grpc/"}},
      {"grpc/", {"server/grpc/"}},
      {"grpcpp/", {"server/grpc/"}},
      {"open_inference.", {"server/grpc/"}},  // generated from the .proto there
      {"simdjson.h", {"server/protocol/"}},
      {"Poco/", {"server/protocol/multipart.cpp"}},
      {"prometheus/", {"server/protocol/metrics.cpp"}},
      {"spdlog/", {"server/log.cpp"}},
      {"fmt/", {""}},  // anywhere, as a part of the language
      {"nlohmann/", {""}},
  };
  return table;
}

// The system's own headers: C++'s have neither a dot nor a folder.
bool is_system_header(const std::string& name) {
  static const std::set<std::string> files = {"dlfcn.h",  "elf.h",     "fcntl.h",   "fnmatch.h", "malloc.h",
                                              "netdb.h",  "poll.h",    "pthread.h", "dirent.h",  "sched.h",
                                              "signal.h", "strings.h", "unistd.h"};
  static const std::set<std::string> folders = {"arpa", "linux", "netinet", "sys"};
  const std::size_t slash = name.find('/');
  return slash != std::string::npos ? folders.contains(name.substr(0, slash))
                                    : name.find('.') == std::string::npos || files.contains(name);
}

const Layer* layer_of(const std::string& file) {
  const std::string folder = fs::path(file).parent_path().string();
  const auto found = std::find_if(layers().begin(), layers().end(),
                                  [&folder](const Layer& layer) { return layer.folder == folder; });
  return found == layers().end() ? nullptr : &*found;
}

std::optional<std::string> fault_of_own(const Layer& layer, const std::string& header) {
  const std::string folder = fs::path(header).parent_path().string();
  if (layer_of(header) == nullptr) {
    return fmt::format("\"{}\" is not written from the repository's root", header);
  }
  if (folder != layer.folder &&
      std::find(layer.may_include.begin(), layer.may_include.end(), folder) == layer.may_include.end()) {
    return fmt::format("{}/ may not include \"{}\"", layer.folder, header);
  }
  return std::nullopt;
}

std::optional<std::string> fault_of_library(const std::string& file, const std::string& header) {
  if (is_system_header(header)) {
    return std::nullopt;
  }
  for (const Wrapper& wrapper : wrappers()) {
    if (header.starts_with(wrapper.header)) {
      const bool allowed =
          std::any_of(wrapper.places.begin(), wrapper.places.end(), [&file](const std::string& place) {
            return place.empty() || place.ends_with('/') ? file.starts_with(place) : file == place;
          });
      return allowed ? std::nullopt : std::optional(fmt::format("<{}> belongs behind its wrapper", header));
    }
  }
  return fmt::format("<{}> is of a library that has no wrapper in tests/layers/layers.cpp", header);
}

void check_file(const fs::path& root, const std::string& file, std::vector<std::string>& faults) {
  const Layer* layer = layer_of(file);
  if (layer == nullptr) {
    faults.push_back(fmt::format("{}: its folder has no place in tests/layers/layers.cpp", file));
    return;
  }
  static const std::regex include(R"re(\s*#\s*include\s*([<"])([^>"]+)[>"].*)re");
  std::istringstream text(read_file(root / file));
  std::size_t number = 0;
  for (std::string line; std::getline(text, line);) {
    ++number;
    std::smatch parts;
    if (std::regex_match(line, parts, include)) {
      const auto fault = parts[1] == "\"" ? fault_of_own(*layer, parts[2]) : fault_of_library(file, parts[2]);
      if (fault) {
        faults.push_back(fmt::format("{}:{}: {}", file, number, *fault));
      }
    }
  }
}

}  // namespace

std::vector<std::string> find_layer_faults(const fs::path& root) {
  std::vector<std::string> faults;
  std::size_t files = 0;
  for (const std::string top : {"pipeline", "trainer", "server"}) {
    if (!fs::exists(root / top)) {
      continue;
    }
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / top)) {
      const fs::path extension = entry.path().extension();
      if (entry.is_regular_file() && (extension == ".cpp" || extension == ".hpp" || extension == ".h")) {
        ++files;
        check_file(root, entry.path().lexically_relative(root).string(), faults);
      }
    }
  }
  if (files == 0) {
    faults.push_back(fmt::format("{}: no sources are here", root.string()));
  }
  std::sort(faults.begin(), faults.end());
  return faults;
}

}  // namespace mlpipe
