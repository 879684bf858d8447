#include "pipeline/oci/remote.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/oci/claim_remote.hpp"
#include "pipeline/oci/directory_remote.hpp"
#include "pipeline/oci/oci_remote.hpp"
#include "pipeline/oci/reference.hpp"
#include "pipeline/oci/s3_remote.hpp"

namespace mlpipe {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::size_t most_blobs = 100'000;

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace

std::string result_record(const Digest& key) {
  return std::string(result_record_begin) + key.hex();
}

std::optional<Digest> key_of_result_record(std::string_view name) {
  const std::string_view hex =
      name.starts_with(result_record_begin) ? name.substr(result_record_begin.size()) : "";
  return Digest::is_hex(hex) ? std::optional(Digest::from_hex(hex)) : std::nullopt;
}

bool is_record_name(std::string_view name) {
  constexpr std::size_t longest = 128;
  const auto is_lower = [](char c) { return c >= 'a' && c <= 'z'; };
  return !name.empty() && name.size() <= longest && is_lower(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return is_lower(c) || (c >= '0' && c <= '9') || c == '-'; });
}

void require_record_name(std::string_view name) {
  if (!is_record_name(name)) {
    throw Error(fmt::format("'{}' names no record", printable(name)));
  }
}

std::string to_text(const RemoteRecord& record) {
  ordered_json blobs = ordered_json::array();
  for (const RemoteBlob& blob : record.blobs) {
    blobs.push_back({{"digest", digest_text(blob.digest)}, {"size", blob.bytes}});
  }
  return ordered_json{{"mlpipe-record", 1}, {"rows", record.rows}, {"blobs", std::move(blobs)}}.dump();
}

RemoteRecord parse_record(std::string_view text) {
  const json document = json::parse(text, nullptr, false);
  if (!document.is_object() || document.value("mlpipe-record", json()) != 1 ||
      !document.value("rows", json()).is_string() || !document.value("blobs", json()).is_array() ||
      document["blobs"].size() > most_blobs) {
    throw Error("it is no record that this mlpipe reads");
  }
  RemoteRecord record{document["rows"].get<std::string>(), {}};
  for (const json& item : document["blobs"]) {
    const json digest = item.is_object() ? item.value("digest", json()) : json();
    const auto parsed = digest.is_string() ? parse_digest(digest.get<std::string>()) : std::nullopt;
    if (!parsed || !item.value("size", json()).is_number_unsigned()) {
      throw Error("a blob in it has no digest or no size");
    }
    record.blobs.push_back({*parsed, item["size"].get<std::uint64_t>()});
  }
  return record;
}

RemoteRecord merged(const RemoteRecord& older, const RemoteRecord& newer) {
  if (first_line(older.rows) != first_line(newer.rows)) {
    return newer;
  }
  RemoteRecord both = older;
  const std::vector<std::string> there = split(trim(older.rows), '\n');
  std::set<std::string> rows(there.begin(), there.end());
  for (const std::string& row : split(trim(newer.rows), '\n')) {
    if (rows.insert(row).second) {
      both.rows += row + "\n";
    }
  }
  both.blobs.insert(both.blobs.end(), newer.blobs.begin(), newer.blobs.end());
  std::sort(both.blobs.begin(), both.blobs.end());
  both.blobs.erase(std::unique(both.blobs.begin(), both.blobs.end()), both.blobs.end());
  return both;
}

std::unique_ptr<Remote> open_remote(const std::string& url, const Environment& environment) {
  if (url.starts_with(oci_scheme)) {
    return std::make_unique<OciRemote>(url, environment);
  }
  if (url.starts_with(s3_scheme)) {
    return std::make_unique<S3Remote>(url, environment);
  }
  if (url.starts_with(directory_scheme)) {
    return std::make_unique<DirectoryRemote>(url);
  }
  if (url.starts_with(claim_scheme)) {
    return open_claim_remote(url, environment);
  }
  throw UsageError(fmt::format("'{}' is no remote", printable(url)),
                   "write oci://HOST/REPOSITORY, s3://BUCKET/PREFIX or pvc://CLAIM/FOLDER");
}

}  // namespace mlpipe
