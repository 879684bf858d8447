#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/digest.hpp"
#include "pipeline/base/process.hpp"

namespace mlpipe {

struct RemoteBlob {
  Digest digest;
  std::uint64_t bytes = 0;

  friend auto operator<=>(const RemoteBlob&, const RemoteBlob&) = default;
};

// What is known under a name elsewhere: rows that only who wrote them reads, and the bytes that they name. Of
// a result they are those of a store's index.
struct RemoteRecord {
  std::string rows;
  std::vector<RemoteBlob> blobs;
};

// As JSON: {"mlpipe-record": 1, "rows": "…", "blobs": [{"digest": "sha256:…", "size": 12}]}. Equal records
// give equal text.
std::string to_text(const RemoteRecord& record);
// Throws Error for anything else.
RemoteRecord parse_record(std::string_view text);

// Two records of one key as one: every row and every blob of both, once. Rows are lines; those of the first
// keep their places. When their first lines differ, which name the format, it is `newer` alone.
RemoteRecord merged(const RemoteRecord& older, const RemoteRecord& newer);

// The name of the record that holds the results of a key: "result-HEX".
inline constexpr std::string_view result_record_begin = "result-";
std::string result_record(const Digest& key);
// Nothing for another name.
std::optional<Digest> key_of_result_record(std::string_view name);
// Letters in lower case, digits and '-', at most 128, a letter first: what every remote can use as a name.
bool is_record_name(std::string_view name);
// Throws Error that names it.
void require_record_name(std::string_view name);

// A place where results travel between machines: bytes by digest, and records by name. What comes in is
// checked against its digest. One that lacks something says so; everything else that goes wrong is an Error.
// Not thread-safe: one for each thread.
class Remote {
 public:
  virtual ~Remote() = default;

  // The keys that have results there, at most so many.
  struct Keys {
    std::vector<Digest> keys;
    bool complete = true;  // there are no others
  };
  virtual Keys keys(std::size_t most) = 0;
  // Throws Error for a name that is_record_name() refuses, as put_record() does.
  virtual std::optional<RemoteRecord> get_record(const std::string& name) = 0;
  // After all of its bytes. Replaces what was there.
  virtual void put_record(const std::string& name, const RemoteRecord& record) = 0;

  // To a file that does not exist yet.
  virtual void get_blob(const RemoteBlob& blob, const std::filesystem::path& to) = 0;
  // Sends nothing that is there already.
  virtual void put_blob(const RemoteBlob& blob, const std::filesystem::path& from) = 0;
};

// "oci://HOST/REPOSITORY", "s3://BUCKET/PREFIX", "pvc://CLAIM/FOLDER", or "dir:///FOLDER"; UsageError for
// anything else. Logs in by what the environment names: docker's config, the AWS_* variables, or see
// claim_remote.hpp.
std::unique_ptr<Remote> open_remote(const std::string& url, const Environment& environment);

}  // namespace mlpipe
