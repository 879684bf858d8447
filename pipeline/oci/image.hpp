#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/digest.hpp"

namespace mlpipe {

namespace media_type {
inline constexpr const char* oci_manifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr const char* oci_index = "application/vnd.oci.image.index.v1+json";
inline constexpr const char* oci_config = "application/vnd.oci.image.config.v1+json";
inline constexpr const char* oci_layer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr const char* docker_manifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr const char* docker_list = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr const char* empty = "application/vnd.oci.empty.v1+json";
}  // namespace media_type

// What a manifest says of one blob.
struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t bytes = 0;
  std::map<std::string, std::string> annotations;

  friend bool operator==(const Descriptor&, const Descriptor&) = default;
};

// An image's or an artifact's manifest. Docker's (v2, schema 2) and OCI's are read, OCI's are written.
struct Manifest {
  std::string artifact_type;  // empty: an image
  Descriptor config;
  std::vector<Descriptor> layers;
  std::map<std::string, std::string> annotations;
};

// As OCI's JSON; equal manifests give equal text.
std::string to_text(const Manifest& manifest);
// Throws Error for anything but a manifest with plain digests and sizes; docker's media types become OCI's.
Manifest parse_manifest(std::string_view text);

// The manifest that an index or a list names for an architecture on Linux ("amd64"); Error that names what
// there is when there is none.
Descriptor choose_platform(std::string_view index, const std::string& architecture);
// Of this machine, as images name it.
std::string own_architecture();

// An image's config with one more layer on top, `diff_id` the digest of its uncompressed tar, and more
// labels. Everything else stays; throws Error for a config that is none.
std::string append_layer(std::string_view config, const Digest& diff_id, const std::string& created_by,
                         const std::map<std::string, std::string>& labels);

}  // namespace mlpipe
