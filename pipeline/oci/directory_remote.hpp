#pragma once

#include "pipeline/oci/frame_stream.hpp"
#include "pipeline/oci/remote.hpp"

namespace mlpipe {

inline constexpr std::string_view directory_scheme = "dir://";

// Results in a folder that is there, that of a volume, say:
//   FOLDER/records/NAME       a record
//   FOLDER/blobs/sha256/HEX   bytes
// Each is written under another name, and gets its own when it is on the disk; so any number of processes, on
// several machines, may use one folder.
class DirectoryRemote : public Remote {
 public:
  // "dir:///FOLDER"
  explicit DirectoryRemote(const std::string& url);
  explicit DirectoryRemote(std::filesystem::path folder) : folder_(std::move(folder)) {}

  Keys keys(std::size_t most) override;
  std::optional<RemoteRecord> get_record(const std::string& name) override;
  void put_record(const std::string& name, const RemoteRecord& record) override;
  void get_blob(const RemoteBlob& blob, const std::filesystem::path& to) override;
  void put_blob(const RemoteBlob& blob, const std::filesystem::path& from) override;

  // What a source gives, to its end, whether or not it is there.
  void put_bytes(const RemoteBlob& blob, const ByteSource& source);
  // Where bytes are; nothing where they are not.
  std::filesystem::path path_of(const Digest& digest) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace mlpipe
