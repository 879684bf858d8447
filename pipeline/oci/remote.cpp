#include "pipeline/oci/remote.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
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
  throw UsageError(fmt::format("'{}' is no remote", printable(url)),
                   "write oci://HOST/REPOSITORY or s3://BUCKET/PREFIX");
}

}  // namespace mlpipe
