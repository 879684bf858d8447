#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pipeline/base/digest.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/oci/remote.hpp"

namespace mlpipe {

// One thing below a folder that travels through a remote.
struct ListedFile {
  // `other` is a socket, a device or a FIFO, or a link out of the folder: known to be there, not what it is.
  enum class Kind { file, folder, link, other };

  std::string path;  // relative to the folder, inside it
  Kind kind = Kind::file;
  bool executable = false;
  bool read_only = false;    // it and, of a folder, that nothing is added to it
  Digest digest;             // of a file
  std::uint64_t bytes = 0;   // of a file
  std::string target = {};   // of a link; it leads to a place in the folder
  std::uint64_t stamp = {};  // of a file that was only looked at: another one after a change

  friend bool operator==(const ListedFile&, const ListedFile&) = default;
};
using FileListing = std::vector<ListedFile>;

nlohmann::json to_json(const FileListing& listing);
// Throws Error for what to_json() does not write: a path or link that leads out of the folder, one that is
// there twice or lies below something that is no folder.
FileListing listing_from_json(const nlohmann::json& json);

// What is at `path` below the open folder `root`, itself and all within, in the order of the names, without
// reading files: they have no digests, but stamps. Never follows a link, whoever makes one meanwhile; nothing
// where there is nothing. Throws Error for folders within folders without end.
FileListing look_at_files(int root, const std::string& path);

// The same with the bytes of its files sent to the remote, each as it was when it was read.
FileListing send_files(Remote& remote, int root, const std::string& path);
// The one file at `path`, opened: a link, a FIFO or the like is none. Then its bytes.
FileDescriptor open_plain_file(int root, const std::string& path);
RemoteBlob send_file(Remote& remote, const FileDescriptor& file);

// The bytes that a listing names, each once.
std::vector<RemoteBlob> blobs_of(const FileListing& listing);

// Makes all of it in the folder `to`, which is the caller's own: nobody else makes links there meanwhile.
// What is there already is an Error.
void bring_files(Remote& remote, const FileListing& listing, const std::filesystem::path& to);

}  // namespace mlpipe
