#include "pipeline/exec/image_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <set>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/container/build_context.hpp"
#include "pipeline/exec/clone_file.hpp"
#include "pipeline/exec/programs.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using Kind = ContextEntry::Kind;

const ImageSpec* image_with_files(const Step& step) {
  const auto* action = std::get_if<ImageAction>(&step.action);
  return action != nullptr && action->image.kind != ImageSpec::Kind::reference ? &action->image : nullptr;
}

bool is_there(const ImageSpec& image, const ImagePlace& place, Diagnostics& diagnostics) {
  std::error_code error;
  const bool file = fs::is_regular_file(place.dockerfile, error);
  const bool folder = fs::is_directory(place.context, error);
  if (!file) {
    diagnostics.add(image.mark, fmt::format("{}: there is no such file", printable(image.dockerfile)),
                    "`dockerfile` is relative to the folder of pipeline.yaml");
  }
  if (!folder) {
    diagnostics.add(image.mark, fmt::format("{}: there is no such folder", printable(image.context)),
                    "`context` is relative to the folder of pipeline.yaml");
  }
  return file && folder;
}

void watch(const ImagePlace& place, const BuildContext& context, std::vector<Watched>& watched) {
  const auto add = [&watched](const fs::path& path) { watched.push_back({path.string(), stamp_of(path)}); };
  add(place.dockerfile);
  for (const fs::path& file : ignore_files(place.dockerfile, place.context)) {
    add(file);
  }
  for (const fs::path& folder : context.folders) {
    add(folder);
  }
  for (const ContextEntry& entry : context.entries) {
    if (entry.kind == Kind::file || entry.kind == Kind::executable) {
      add(place.context / entry.path);
    }
  }
}

ImageFiles hashed(const ImagePlace& place, const BuildContext& context, FileHashes& hashes) {
  std::vector<fs::path> paths = {place.dockerfile};
  for (const ContextEntry& entry : context.entries) {
    if (entry.kind == Kind::file || entry.kind == Kind::executable) {
      paths.push_back(place.context / entry.path);
    }
  }
  const std::vector<Digest> digests = hashes.digests(paths);
  auto digest = digests.begin();
  ImageFiles files;
  files.dockerfile = *digest++;
  for (const ContextEntry& entry : context.entries) {
    switch (entry.kind) {
      case Kind::file:
        files.context.push_back({entry.path, "file:" + (digest++)->hex()});
        break;
      case Kind::executable:
        files.context.push_back({entry.path, "executable:" + (digest++)->hex()});
        break;
      case Kind::link:
        files.context.push_back({entry.path, "link:" + entry.target});
        break;
      case Kind::folder:
        files.context.push_back({entry.path, "folder:"});
        break;
    }
  }
  return files;
}

[[noreturn]] void changed(const fs::path& path) {
  throw Error(fmt::format("{} changed after the plan was made", path.string()), "run again");
}

// Gives the copy the mode and the time of the original.
void dress_like(const fs::path& original, const fs::path& copy) {
  struct stat status {};
  if (::stat(original.c_str(), &status) != 0) {
    throw_errno(fmt::format("reading {}", original.string()));
  }
  constexpr mode_t mode_bits = 07777;
  const timespec times[2] = {status.st_mtim, status.st_mtim};
  if (::chmod(copy.c_str(), status.st_mode & mode_bits) != 0 ||
      ::utimensat(AT_FDCWD, copy.c_str(), times, 0) != 0) {
    throw_errno(fmt::format("changing {}", copy.string()));
  }
}

void bring_file(const fs::path& from, const fs::path& to, const std::string& digest, FileHashes& hashes) {
  clone_file(from, to, 0644);
  dress_like(from, to);
  // Looked at after the copy: what was copied is what the key says.
  if (hashes.digest(from).hex() != digest) {
    changed(from);
  }
}

}  // namespace

ImagePlace place_of(const ImageSpec& image, const fs::path& project) {
  if (image.kind == ImageSpec::Kind::built_in) {
    const fs::path sources = image_sources();
    return {sources / "containers" / (image.built_in + ".Dockerfile"), sources};
  }
  return {project / image.dockerfile, (project / image.context).lexically_normal()};
}

void look_at_images(const Spec& spec, FileHashes& hashes, Snapshot& snapshot, std::vector<Watched>* watched,
                    Diagnostics& diagnostics) {
  for (const Step& step : spec.steps) {
    const ImageSpec* image = image_with_files(step);
    if (image == nullptr) {
      continue;
    }
    const ImagePlace place = place_of(*image, spec.project);
    if (image->kind == ImageSpec::Kind::dockerfile && !is_there(*image, place, diagnostics)) {
      continue;
    }
    const BuildContext context = find_build_context(place.dockerfile, place.context);
    if (watched != nullptr) {
      watch(place, context, *watched);
    }
    snapshot.images.emplace(image->name, hashed(place, context, hashes));
  }
}

void bring_image_files(const ImageSpec& image, const fs::path& project, const ImageFiles& files,
                       FileHashes& hashes, const fs::path& to) {
  const ImagePlace place = place_of(image, project);
  bring_file(place.dockerfile, to / "Dockerfile", files.dockerfile.hex(), hashes);
  const fs::path context = to / "context";
  fs::create_directories(context);
  std::set<fs::path> folders;
  for (const ContextFile& file : files.context) {
    const fs::path from = place.context / file.path;
    const fs::path copy = context / file.path;
    const std::size_t colon = file.content.find(':');
    const std::string kind = file.content.substr(0, colon);
    const std::string content = file.content.substr(colon + 1);
    const fs::path folder = kind == "folder" ? fs::path(file.path) : fs::path(file.path).parent_path();
    fs::create_directories(context / folder);
    for (fs::path one = folder; !one.empty() && folders.insert(one).second; one = one.parent_path()) {
    }
    if (kind == "link") {
      fs::create_symlink(content, copy);
    } else if (kind != "folder") {
      bring_file(from, copy, content, hashes);
    }
  }
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {  // what is deeper first
    dress_like(place.context / *folder, context / *folder);
  }
}

}  // namespace mlpipe
