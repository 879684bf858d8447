#include "pipeline/oci/oci_remote.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/oci/image.hpp"
#include "pipeline/oci/registry_options.hpp"

namespace mlpipe {
namespace {

constexpr const char* artifact_type = "application/vnd.mlpipe.result.v1";
constexpr const char* record_type = "application/vnd.mlpipe.record.v1+json";
constexpr const char* blob_type = "application/octet-stream";

ImageReference repository_of(const std::string& url) {
  const ImageReference reference = parse_reference(std::string_view(url).substr(oci_scheme.size()));
  if (!reference.tag.empty() || reference.digest) {
    throw UsageError(fmt::format("{}: a remote is a repository, without a tag", printable(url)));
  }
  return reference;
}

// A run waits for a remote, and goes on without it.
RegistryOptions impatient(RegistryOptions options) {
  options.patience.retries = 2;
  return options;
}

}  // namespace

OciRemote::OciRemote(const std::string& url, const Environment& environment)
    : repository_(repository_of(url).repository),
      client_(repository_of(url).registry, environment, impatient(registry_options(environment))) {}

Remote::Keys OciRemote::keys(std::size_t most) {
  Keys keys;
  const std::vector<std::string> tags = client_.tags(repository_, most + 1);
  for (const std::string& tag : tags) {
    if (const auto key = key_of_result_record(tag)) {
      keys.keys.push_back(*key);
    }
  }
  keys.complete = tags.size() <= most;
  return keys;
}

std::optional<RemoteRecord> OciRemote::get_record(const std::string& name) {
  require_record_name(name);
  const auto fetched = client_.find_manifest(repository_, name);
  if (!fetched) {
    return std::nullopt;
  }
  try {
    const Manifest manifest = parse_manifest(fetched->text);
    if (manifest.config.media_type != record_type) {
      throw Error("it is no record of mlpipe's");
    }
    return parse_record(client_.get_small_blob(repository_, manifest.config));
  } catch (const Unavailable&) {
    throw;
  } catch (const Error& error) {
    throw Error(fmt::format("{}/{}:{}: {}", client_.registry(), repository_, name, error.what()),
                error.hint());
  }
}

void OciRemote::put_record(const std::string& name, const RemoteRecord& record) {
  require_record_name(name);
  const std::string text = to_text(record);
  client_.put_small_blob(repository_, text);
  Manifest manifest;
  manifest.artifact_type = artifact_type;
  manifest.config = {record_type, digest_of(text), text.size(), {}};
  for (const RemoteBlob& blob : record.blobs) {
    if (blob.bytes > 0) {
      manifest.layers.push_back({blob_type, blob.digest, blob.bytes, {}});
    }
  }
  client_.put_manifest(repository_, name, to_text(manifest));
}

void OciRemote::get_blob(const RemoteBlob& blob, const std::filesystem::path& to) {
  if (blob.bytes == 0 && blob.digest == digest_of("")) {
    open_file(to, O_WRONLY | O_CREAT | O_EXCL, 0644);
  } else {
    client_.get_blob(repository_, blob.digest, blob.bytes, to);
  }
}

void OciRemote::put_blob(const RemoteBlob& blob, const std::filesystem::path& from) {
  if (blob.bytes > 0) {
    client_.put_blob(repository_, blob.digest, from);
  }
}

}  // namespace mlpipe
