#include "pipeline/oci/file_listing.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <map>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/oci/reference.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Kind = ListedFile::Kind;

constexpr int most_depth = 128;  // of folders; each one is open while what it holds is looked at
constexpr std::size_t most_files = 1'000'000;
constexpr mode_t any_execution = S_IXUSR | S_IXGRP | S_IXOTH;

const std::map<Kind, std::string>& kind_names() {
  static const std::map<Kind, std::string> names = {
      {Kind::file, "file"}, {Kind::folder, "folder"}, {Kind::link, "link"}, {Kind::other, "other"}};
  return names;
}

// "a/b", and no other way to write it.
bool is_plain_path(const std::string& path) {
  return is_inside_path(path) && path.back() != '/' && fs::path(path).lexically_normal() == path &&
         path != ".";
}

// Whether a link at `path` stays in the folder, wherever other links there lead that do: it goes up at its
// beginning only, where all above it are folders.
bool leads_inside(const std::string& path, const std::string& target) {
  if (target.empty() || target.front() == '/' || target.find('\0') != std::string::npos) {
    return false;
  }
  auto up = std::count(path.begin(), path.end(), '/');
  bool down = false;
  for (const std::string& part : split(target, '/')) {
    if (part == ".." && (down || --up < 0)) {
      return false;
    }
    down = down || (part != ".." && part != "." && !part.empty());
  }
  return true;
}

std::string by_descriptor(int descriptor) {
  return fmt::format("/proc/self/fd/{}", descriptor);
}

std::string target_of(int folder, const std::string& name) {
  std::string target(4096, '\0');
  const ssize_t size = ::readlinkat(folder, name.c_str(), target.data(), target.size());
  target.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return target;
}

std::vector<std::string> names_in(int folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(by_descriptor(folder))) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Gives `add` each thing that is there, a file with its descriptor and a folder before what it holds.
class Walk {
 public:
  using Add = std::function<void(ListedFile, const FileDescriptor&)>;
  explicit Walk(Add add) : add_(std::move(add)) {}

  void take(int folder, const std::string& name, const std::string& path, int depth = 0) const {
    if (depth > most_depth) {
      throw Error(fmt::format("{}: more than {} folders within each other", printable(path), most_depth));
    }
    FileDescriptor file(
        ::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    const int reason = errno;
    struct stat status {};
    if (file ? ::fstat(file.get(), &status) != 0
             : ::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) {
        return;
      }
      throw_errno(fmt::format("looking at {}", printable(path)));
    }
    if (!is_utf8(path)) {
      throw Error(fmt::format("the name {} is not UTF-8", printable(path)));
    }
    ListedFile found;
    found.path = path;
    if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) {
      if (!file) {
        errno = reason;
        throw_errno(fmt::format("reading {}", printable(path)));
      }
      found.kind = S_ISREG(status.st_mode) ? Kind::file : Kind::folder;
    } else {
      found.target = S_ISLNK(status.st_mode) ? target_of(folder, name) : "";
      found.kind = leads_inside(path, found.target) ? Kind::link : Kind::other;
      found.target = found.kind == Kind::link ? found.target : "";
    }
    if (found.kind == Kind::file) {
      found.executable = (status.st_mode & any_execution) != 0;
      found.bytes = static_cast<std::uint64_t>(status.st_size);
      constexpr std::uint64_t second = 1'000'000'000;
      found.stamp = (static_cast<std::uint64_t>(status.st_mtim.tv_sec) * second +
                     static_cast<std::uint64_t>(status.st_mtim.tv_nsec)) ^
                    (status.st_ino << 1U);
    }
    const bool folder_itself = found.kind == Kind::folder;
    add_(std::move(found), file);
    if (folder_itself) {
      for (const std::string& inner : names_in(file.get())) {
        take(file.get(), inner, path + "/" + inner, depth + 1);
      }
    }
  }

 private:
  Add add_;
};

// The folder that holds `path`, reached without a link. Nothing where it is not.
FileDescriptor folder_of(int root, const std::string& path) {
  FileDescriptor folder(::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::vector<std::string> parts = split(path, '/');
  for (std::size_t i = 0; folder && i + 1 < parts.size(); ++i) {
    folder = FileDescriptor(
        ::openat(folder.get(), parts[i].c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  }
  return folder;
}

std::string name_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

void walk(int root, const std::string& path, Walk::Add add) {
  if (!is_plain_path(path)) {
    throw Error(fmt::format("'{}' is no path within a folder", printable(path)));
  }
  if (const FileDescriptor folder = folder_of(root, path)) {
    Walk(std::move(add)).take(folder.get(), name_of(path), path);
  }
}

void set_mode(const fs::path& path, mode_t mode) {
  if (::chmod(path.c_str(), mode) != 0) {
    throw_errno(fmt::format("setting the mode of {}", path.string()));
  }
}

ListedFile file_from_json(const json& item) {
  ListedFile file;
  item.at("path").get_to(file.path);
  if (!is_plain_path(file.path)) {
    throw Error(fmt::format("'{}' in it is no path within a folder", printable(file.path)));
  }
  const auto name = item.at("kind").get<std::string>();
  const auto kind = std::find_if(kind_names().begin(), kind_names().end(),
                                 [&](const auto& known) { return known.second == name; });
  if (kind == kind_names().end()) {
    throw Error(fmt::format("'{}' in it is of no kind that this mlpipe knows", printable(file.path)));
  }
  file.kind = kind->first;
  file.executable = item.value("executable", false);
  file.read_only = item.value("read_only", false);
  if (file.kind == Kind::file) {
    const auto digest = parse_digest(item.at("digest").get<std::string>());
    if (!digest || !item.at("size").is_number_unsigned()) {
      throw Error(fmt::format("'{}' in it has no digest or no size", printable(file.path)));
    }
    file.digest = *digest;
    file.bytes = item["size"].get<std::uint64_t>();
  } else if (file.kind == Kind::link) {
    item.at("target").get_to(file.target);
    if (!leads_inside(file.path, file.target)) {
      throw Error(fmt::format("the link '{}' in it leads out of its folder", printable(file.path)));
    }
  }
  return file;
}

}  // namespace

json to_json(const FileListing& listing) {
  json items = json::array();
  for (const ListedFile& file : listing) {
    json item = {{"path", file.path}, {"kind", kind_names().at(file.kind)}};
    if (file.executable) {
      item["executable"] = true;
    }
    if (file.read_only) {
      item["read_only"] = true;
    }
    if (file.kind == Kind::file) {
      item["digest"] = digest_text(file.digest);
      item["size"] = file.bytes;
    } else if (file.kind == Kind::link) {
      item["target"] = file.target;
    }
    items.push_back(std::move(item));
  }
  return items;
}

FileListing listing_from_json(const json& items) {
  if (!items.is_array() || items.size() > most_files) {
    throw Error("what it says of files is no list");
  }
  FileListing listing;
  std::map<std::string, Kind> there;
  for (const json& item : items) {
    ListedFile file = file_from_json(item);
    if (!there.emplace(file.path, file.kind).second) {
      throw Error(fmt::format("'{}' is there twice", printable(file.path)));
    }
    listing.push_back(std::move(file));
  }
  for (const ListedFile& file : listing) {
    for (std::size_t end = file.path.find('/'); end != std::string::npos;
         end = file.path.find('/', end + 1)) {
      const auto above = there.find(file.path.substr(0, end));
      if (above != there.end() && above->second != Kind::folder) {
        throw Error(fmt::format("'{}' lies below something that is no folder", printable(file.path)));
      }
    }
  }
  return listing;
}

FileListing look_at_files(int root, const std::string& path) {
  FileListing listing;
  walk(root, path, [&](ListedFile file, const FileDescriptor&) { listing.push_back(std::move(file)); });
  return listing;
}

FileListing send_files(Remote& remote, int root, const std::string& path) {
  FileListing listing;
  walk(root, path, [&](ListedFile file, const FileDescriptor& opened) {
    if (file.kind == Kind::file) {
      const RemoteBlob blob = send_file(remote, opened);
      file.digest = blob.digest;
      file.bytes = blob.bytes;
      file.stamp = 0;
    }
    listing.push_back(std::move(file));
  });
  return listing;
}

FileDescriptor open_plain_file(int root, const std::string& path) {
  const FileDescriptor folder = folder_of(root, path);
  FileDescriptor file(folder ? ::openat(folder.get(), name_of(path).c_str(),
                                        O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
                             : -1);
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return {};
  }
  return file;
}

RemoteBlob send_file(Remote& remote, const FileDescriptor& file) {
  // By its descriptor: what has the name may be something else by now.
  const std::string path = by_descriptor(file.get());
  const RemoteBlob blob{digest_of_file(path), fs::file_size(path)};
  remote.put_blob(blob, path);
  return blob;
}

std::vector<RemoteBlob> blobs_of(const FileListing& listing) {
  std::vector<RemoteBlob> blobs;
  for (const ListedFile& file : listing) {
    if (file.kind == Kind::file) {
      blobs.push_back({file.digest, file.bytes});
    }
  }
  std::sort(blobs.begin(), blobs.end());
  blobs.erase(std::unique(blobs.begin(), blobs.end()), blobs.end());
  return blobs;
}

void bring_files(Remote& remote, const FileListing& listing, const fs::path& to) {
  for (const ListedFile& file : listing) {
    const fs::path path = to / file.path;
    fs::create_directories(file.kind == Kind::folder ? path : path.parent_path());
  }
  for (const ListedFile& file : listing) {
    const fs::path path = to / file.path;
    if (file.kind == Kind::file) {
      remote.get_blob({file.digest, file.bytes}, path);
      constexpr mode_t no_writing = 0555;
      set_mode(path, (file.executable ? 0755 : 0644) & (file.read_only ? no_writing : mode_t{0777}));
    } else if (file.kind == Kind::other &&
               ::mkfifo(path.c_str(), 0600) != 0) {  // as little what it should be
      throw_errno(fmt::format("making {}", path.string()));
    }
  }
  for (const ListedFile& file : listing) {  // after all that is reached by names
    if (file.kind == Kind::link) {
      fs::create_symlink(file.target, to / file.path);
    }
  }
  for (auto file = listing.rbegin(); file != listing.rend(); ++file) {
    if (file->kind == Kind::folder) {
      set_mode(to / file->path, file->read_only ? 0555 : 0755);
    }
  }
}

}  // namespace mlpipe
